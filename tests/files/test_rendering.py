"""What others see of a file: previews, and pictures without what is hidden in them."""

import io
import uuid
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from PIL import Image, ImageCms
from sqlalchemy import select

from app.core.resources import Resources
from app.files import service
from app.files.recognition.result import Unreadable
from app.files.recognition_process import RecognitionProcess
from app.files.rendering.render import render
from app.files.rendering.result import Rendered, RenderLimits
from app.files.tasks import recognition as tasks
from app.files.tasks import rendering
from app.models.file import File, ScanStatus
from app.models.job import Job
from tests.factories.people import Person
from tests.files import samples
from tests.files.conftest import Upload
from tests.files.test_uploads import stored

LIMITS = RenderLimits(side=100, max_pixels=1_000_000)
GPS, ORIENTATION, ARTIST = 0x8825, 0x0112, 0x013B


def photo(kind: str = "JPEG", **options: object) -> bytes:
    """Three hundred wide and two hundred high once it is turned, its upper half red, with a secret in its EXIF."""
    image = Image.new("RGB", (200, 300), "blue")
    image.paste("red", (0, 0, 100, 300))
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif[ARTIST] = "secret author"
    exif.get_ifd(GPS)[1] = "N"
    exif.get_ifd(GPS)[2] = (52.0, 31.0, 12.0)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return samples.encoded(image, kind, exif=exif, icc_profile=profile, **options)


def made(tmp_path: Path, content: bytes, group: str = "image", label: str = "") -> dict[str, Image.Image]:
    source = tmp_path / "source"
    source.write_bytes(content)
    found: dict[str, Image.Image] = {}
    for one in render(source, group, label, tmp_path, LIMITS).made:  # type: ignore[arg-type] # a plain word
        found[one.kind] = Image.open(io.BytesIO((tmp_path / one.kind).read_bytes()))
        assert Image.MIME[str(found[one.kind].format)] == one.media_type
    return found


def hides_nothing(image: Image.Image) -> bool:
    return not (dict(image.getexif()) or {"exif", "icc_profile", "comment", "xmp", "Software", "Title"} & {*image.info})


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_photo_is_shown_upright_and_without_what_its_camera_wrote(tmp_path: Path, kind: str) -> None:
    content = photo(kind)
    assert b"secret author" in content
    found = made(tmp_path, content)
    shown, preview = found["shown"], found["preview"]
    assert (shown.size, preview.size, preview.format) == ((300, 200), (100, 67), "WEBP")
    assert shown.format == ("PNG" if kind == "TIFF" else kind)
    assert hides_nothing(shown)
    assert hides_nothing(preview)
    for picture, bottom in ((shown, 190), (preview, 62)):
        assert picture.convert("RGB").getpixel((5, 5))[0] > 200  # type: ignore[index] # three channels
        assert picture.convert("RGB").getpixel((5, bottom))[2] > 200  # type: ignore[index]


def test_words_in_a_png_and_a_comment_in_a_jpeg_are_left_out(tmp_path: Path) -> None:
    for content in (photo("JPEG", comment=b"secret comment"), samples.encoded(samples.drawn("x"), "GIF", comment=b"s")):
        assert hides_nothing(made(tmp_path, content)["shown"])


def test_transparency_and_sixteen_bits_survive(tmp_path: Path) -> None:
    shown = made(tmp_path, samples.encoded(Image.new("RGBA", (20, 20), (255, 0, 0, 0))))["shown"]
    assert shown.mode == "RGBA"
    deep = Image.fromarray(np.linspace(0, 60_000, 400, dtype=np.uint16).reshape(20, 20))
    assert made(tmp_path, samples.encoded(deep))["shown"].getextrema() == (0, 255)


@pytest.mark.parametrize(("kind", "shown_as"), [("GIF", "WEBP"), ("WEBP", "WEBP"), ("TIFF", "TIFF")])
def test_all_pictures_of_one_file_are_shown(tmp_path: Path, kind: str, shown_as: str) -> None:
    first, *rest = [Image.new("RGB", (40, 30), colour) for colour in ("red", "green", "blue")]
    content = samples.encoded(first, kind, save_all=True, append_images=rest, duration=80)
    found = made(tmp_path, content)
    assert (found["shown"].format, found["shown"].n_frames) == (shown_as, 3)  # type: ignore[attr-defined]
    assert found["preview"].size == (40, 30)


def test_a_pdfs_first_page_and_a_frame_of_a_video_are_previews(tmp_path: Path) -> None:
    page = made(tmp_path, samples.pdf("Error 17", "next"), "document", "pdf")
    assert set(page) == {"preview"}
    assert page["preview"].height == 100
    assert np.asarray(page["preview"].convert("L")).min() < 200
    video = samples.video(tmp_path / "a.mp4", sound=True).read_bytes()
    assert made(tmp_path, video, "video", "mp4")["preview"].size == (64, 48)


NOTHING = [
    (samples.png("whole")[:200], "image", "png"),
    (samples.png_header(100_000, 100_000), "image", "png"),
    (samples.encoded(Image.new("1", (1200, 1200))), "image", "png"),
    (b"%PDF-1.4 and nothing", "document", "pdf"),
    (samples.wav(samples.tone(0.2)), "video", "mp4"),
    (b"\0\0\0\x18ftypmp42" + bytes(200), "video", "mp4"),
]


@pytest.mark.parametrize(("content", "group", "label"), NOTHING)
def test_nothing_is_made_of_what_is_damaged_or_too_large(
    tmp_path: Path, content: bytes, group: str, label: str
) -> None:
    with pytest.raises(Unreadable):
        made(tmp_path, content, group, label)


class InThisProcess(RecognitionProcess):
    """The real rendering, without a child of its own: tests/files/test_recognition_process.py has that."""

    async def render(
        self, path: Path, group: str, label: str, *, folder: Path, limits: RenderLimits, seconds: float
    ) -> list[Rendered]:
        return render(path, group, label, folder, limits).made  # type: ignore[arg-type] # a plain word


async def passed(resources: Resources, file_id: str) -> uuid.UUID:
    """Found clean, as the scan does it; the job that then makes its previews."""
    async with resources.db.unit_of_work() as db:
        file = await db.get_one(File, uuid.UUID(file_id))
        file.scan_status = ScanStatus.CLEAN
        service.want_rendering(db, file)
    async with resources.db.session() as db:
        query = select(Job.id).where(Job.kind == service.RENDERING, Job.subject == file_id)
        return (await db.execute(query)).scalar_one()


async def test_everybody_but_its_uploader_gets_a_picture_without_its_secrets(
    api: httpx2.AsyncClient,
    upload: Upload,
    resources: Resources,
    sender: Person,
    agent: Person,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "_process", InThisProcess())
    before, content = stored(resources), photo("AVIF")
    file_id = (await upload(content, "me.avif", "image/avif")).json()["id"]
    at = f"/api/v1/files/{file_id}"
    job_id = await passed(resources, file_id)

    waiting = await api.get(f"{at}/content", headers=agent.headers)
    assert (waiting.status_code, waiting.json()["code"]) == (409, "file_not_rendered")
    to_come = await api.get(f"{at}/preview", headers=agent.headers)
    assert (to_come.status_code, to_come.json()["code"]) == (404, "file_preview_not_found")
    assert waiting.headers["Retry-After"] == to_come.headers["Retry-After"] == "1"

    await rendering.render_file.handler(resources, job_id)
    assert (await api.get(f"{at}/content", headers=sender.headers)).content == content
    others = await api.get(f"{at}/content", headers=agent.headers)
    assert others.headers["Content-Type"] == "image/webp"
    assert "me.webp" in others.headers["Content-Disposition"]
    assert hides_nothing(Image.open(io.BytesIO(others.content)))
    part = await api.get(f"{at}/content", headers={**agent.headers, "Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, others.content[4:8])
    preview = await api.get(f"{at}/preview", headers=agent.headers)
    assert Image.open(io.BytesIO(preview.content)).size == (300, 200)
    assert preview.headers["Content-Type"] == "image/webp"
    assert (await api.get(at, headers=agent.headers)).json()["has_preview"] is True
    assert len(stored(resources) - before) == 3
    await rendering.render_file.handler(resources, job_id)
    assert len(stored(resources) - before) == 3


async def test_of_what_cannot_be_shown_only_its_uploader_gets_the_bytes(
    api: httpx2.AsyncClient, upload: Upload, resources: Resources, sender: Person, agent: Person
) -> None:
    content = photo()
    file_id = (await upload(content, "me.jpg", "image/jpeg")).json()["id"]
    job_id = await passed(resources, file_id)
    await rendering.give_up_rendering.handler(resources, job_id)
    refused = await api.get(f"/api/v1/files/{file_id}/content", headers=agent.headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "file_not_showable")
    assert (await api.get(f"/api/v1/files/{file_id}/content", headers=sender.headers)).content == content
    none = await api.get(f"/api/v1/files/{file_id}/preview", headers=agent.headers)
    assert (none.json()["code"], "Retry-After" in none.headers) == ("file_preview_not_found", False)


async def test_a_text_has_no_preview_and_needs_no_child(
    api: httpx2.AsyncClient, upload: Upload, resources: Resources, agent: Person
) -> None:
    file_id = (await upload(b"words\n")).json()["id"]
    await rendering.render_file.handler(resources, await passed(resources, file_id))
    assert (await api.get(f"/api/v1/files/{file_id}/content", headers=agent.headers)).content == b"words\n"
    none = await api.get(f"/api/v1/files/{file_id}/preview", headers=agent.headers)
    assert (none.status_code, "Retry-After" in none.headers) == (404, False)
    assert (await api.get(f"/api/v1/files/{file_id}", headers=agent.headers)).json()["has_preview"] is False


async def test_of_a_file_that_is_gone_meanwhile_nothing_is_kept(
    upload: Upload, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_id = (await upload(photo(), "me.jpg", "image/jpeg")).json()["id"]
    before = stored(resources)

    class Deleting(InThisProcess):
        async def render(self, *args: Any, **options: Any) -> list[Rendered]:
            async with resources.db.unit_of_work() as db:
                await db.delete(await db.get_one(File, uuid.UUID(file_id)))
            return await super().render(*args, **options)

    monkeypatch.setattr(tasks, "_process", Deleting())
    await rendering.render_file.handler(resources, await passed(resources, file_id))
    assert stored(resources) == before
