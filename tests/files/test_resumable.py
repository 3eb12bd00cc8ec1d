"""tus 1.0.0: what its clients rely on, and what must hold when they and we break off."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import select, text, update

from app.core.clock import now
from app.core.errors import Problem
from app.core.resources import Resources
from app.core.settings import FileSettings, Settings
from app.core.storage import LocalStorage
from app.files.appending import Appending
from app.files.service import keeping, resumable
from app.files.tus import announcement
from app.models.file import File, ScanStatus
from app.models.upload import UploadPiece
from tests.factories import tickets
from tests.factories.people import Person
from tests.factories.serving import serving
from tests.files import samples

URL = "/api/v1/files/resumable"
CONTENT = b"".join(b"line %d of a log that goes on\n" % n for n in range(800))
PIECE = 4096


@pytest.fixture
async def tus_api(resources: Resources, settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    files = FileSettings(piece_bytes=PIECE, max_bytes=100_000, user_quota_bytes=120_000)
    async with serving(settings.model_copy(update={"files": files})) as api:
        yield api


@dataclass
class Tus:
    """A client of the protocol's plainest words."""

    api: httpx2.AsyncClient
    who: Person

    def headers(self, **more: str) -> dict[str, str]:
        named = {name.replace("_", "-"): value for name, value in more.items()}
        return {**self.who.headers, "Tus-Resumable": "1.0.0", **named}

    async def begin(self, length: int = len(CONTENT), body: bytes | None = None, **metadata: str) -> httpx2.Response:
        pairs = [f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in metadata.items()]
        headers = self.headers(Upload_Length=str(length), Upload_Metadata=",".join(pairs))
        if body is not None:
            headers["Content-Type"] = "application/offset+octet-stream"
        return await self.api.post(URL, headers=headers, content=body)

    async def begun(self, length: int = len(CONTENT), **metadata: str) -> str:
        answer = await self.begin(length, None, **{"filename": "app.log", **metadata})
        assert answer.status_code == 201, answer.text
        return answer.headers["Location"]

    async def send(self, at: str, offset: int, body: Any, **more: str) -> httpx2.Response:
        kind = "application/offset+octet-stream"
        headers = self.headers(Upload_Offset=str(offset), **more) | {"Content-Type": kind}
        return await self.api.patch(at, headers=headers, content=body)

    async def offset(self, at: str) -> int:
        answer = await self.api.head(at, headers=self.headers())
        assert answer.status_code == 200
        return int(answer.headers["Upload-Offset"])


@pytest.fixture
def tus(tus_api: httpx2.AsyncClient, sender: Person) -> Tus:
    return Tus(tus_api, sender)


async def found_clean(resources: Resources) -> None:
    """As the scan would leave every file."""
    async with resources.db.unit_of_work() as db:
        await db.execute(update(File).values(scan_status=ScanStatus.CLEAN))


def in_store(resources: Resources) -> set[Path]:
    assert isinstance(resources.storage, LocalStorage)
    return {path for path in resources.storage.root.rglob("*") if path.is_file()}


@pytest.fixture
def before(resources: Resources) -> set[Path]:
    return in_store(resources)


async def test_the_server_says_what_it_speaks(tus: Tus) -> None:
    answer = await tus.api.options(URL, headers=tus.who.headers)
    assert answer.status_code == 204
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert answer.headers["Tus-Extension"] == "creation,creation-with-upload,checksum,expiration,termination"
    assert answer.headers["Tus-Checksum-Algorithm"] == "sha1,sha256,md5"
    assert answer.headers["Tus-Max-Size"] == "100000"


async def test_an_upload_in_three_parts_is_a_file_like_any_other(
    tus: Tus, resources: Resources, before: set[Path]
) -> None:
    ticket = await tickets.ticket(resources, tus.who.who)
    at = await tus.begun(filetype="text/plain", ticket_id=str(ticket.id))
    for start, end in ((0, 5000), (5000, 5001)):
        answer = await tus.send(at, start, CONTENT[start:end])
        assert (answer.status_code, answer.headers["Upload-Offset"]) == (204, str(end))
        assert "X-File-Id" not in answer.headers
        assert answer.headers["Tus-Resumable"] == "1.0.0"
        assert answer.headers["Upload-Expires"].endswith("GMT")
    last = await tus.send(at, 5001, CONTENT[5001:])
    head = await tus.api.head(at, headers=tus.headers())
    assert last.headers["X-File-Id"] == head.headers["X-File-Id"]
    assert head.headers["Upload-Offset"] == head.headers["Upload-Length"] == str(len(CONTENT))
    assert head.headers["Cache-Control"] == "no-store"
    assert head.headers["Upload-Metadata"].startswith("filename YXBwLmxvZw==")
    file = (await tus.api.get(f"/api/v1/files/{last.headers['X-File-Id']}", headers=tus.who.headers)).json()
    assert (file["filename"], file["file_type"], file["ticket_id"]) == ("app.log", "text/plain", ticket.id)
    assert (file["sha256"], file["processing_status"]) == (hashlib.sha256(CONTENT).hexdigest(), "pending")
    await found_clean(resources)
    content = await tus.api.get(f"/api/v1/files/{file['id']}/content", headers=tus.who.headers)
    assert content.content == CONTENT
    assert len(in_store(resources) - before) == 1


async def test_a_small_file_comes_with_its_announcement(tus: Tus) -> None:
    answer = await tus.begin(6, b"words\n", filename="a.txt")
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (201, "6")
    assert "X-File-Id" in answer.headers


async def test_an_announcement_is_answered_once_for_one_key(tus: Tus) -> None:
    headers = tus.headers(Upload_Length="6", Idempotency_Key="upload-9")
    answers = [await tus.api.post(URL, headers=headers) for _ in range(2)]
    assert answers[0].headers["Location"] == answers[1].headers["Location"]
    other = await tus.api.post(URL, headers={**headers, "Upload-Length": "7"})
    assert other.json()["code"] == "idempotency_conflict"


async def test_bytes_at_another_offset_are_refused(tus: Tus) -> None:
    at = await tus.begun()
    answer = await tus.send(at, 10, b"words")
    assert (answer.status_code, answer.json()["code"]) == (409, "upload_offset_wrong")
    assert answer.headers["Tus-Resumable"] == "1.0.0"
    assert await tus.offset(at) == 0


async def test_of_two_senders_at_one_offset_one_is_refused_and_nothing_is_mixed(
    tus: Tus, resources: Resources, before: set[Path]
) -> None:
    at = await tus.begun()
    answers = await asyncio.gather(*(tus.send(at, 0, CONTENT) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [204, 409, 409, 409]
    (file_id,) = {answer.headers["X-File-Id"] for answer in answers if answer.status_code == 204}
    await found_clean(resources)
    content = await tus.api.get(f"/api/v1/files/{file_id}/content", headers=tus.who.headers)
    assert content.content == CONTENT
    assert len(in_store(resources) - before) == 1


@pytest.mark.parametrize("name", ["sha1", "sha256", "md5"])
async def test_a_checksum_is_verified_and_what_does_not_fit_is_not_kept(
    tus: Tus, resources: Resources, before: set[Path], name: str
) -> None:
    at = await tus.begun()
    digest = base64.b64encode(hashlib.new(name, CONTENT[:9000]).digest()).decode()
    damaged = await tus.send(at, 0, b"?" + CONTENT[1:9000], Upload_Checksum=f"{name} {digest}")
    assert (damaged.status_code, damaged.json()["code"]) == (460, "upload_checksum_mismatch")
    assert await tus.offset(at) == 0
    assert in_store(resources) == before
    whole = await tus.send(at, 0, CONTENT[:9000], Upload_Checksum=f"{name} {digest}")
    assert (whole.status_code, whole.headers["Upload-Offset"]) == (204, "9000")


async def test_the_last_bytes_are_verified_before_the_file_is_made(tus: Tus) -> None:
    at = await tus.begun()
    wrong = base64.b64encode(hashlib.sha1(b"other", usedforsecurity=False).digest()).decode()
    assert (await tus.send(at, 0, CONTENT, Upload_Checksum=f"sha1 {wrong}")).status_code == 460
    right = base64.b64encode(hashlib.sha1(CONTENT, usedforsecurity=False).digest()).decode()
    assert "X-File-Id" in (await tus.send(at, 0, CONTENT, Upload_Checksum=f"sha1 {right}")).headers


async def test_what_came_before_the_sender_left_is_kept(tus: Tus, resources: Resources) -> None:
    at = await tus.begun()
    files = FileSettings(piece_bytes=PIECE)
    mine = Resources(
        resources.settings.model_copy(update={"files": files}),
        *(getattr(resources, name) for name in Resources.__slots__ if name != "settings"),
    )

    async def appending() -> Appending:
        async with resources.db.reading() as db:
            return Appending(mine, tus.who.who, await resumable.find(db, tus.who.who, UUID(at.rpartition("/")[2])))

    async def crashing() -> AsyncIterator[bytes]:
        yield CONTENT[: 2 * PIECE + 100]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await (await appending()).run(0, crashing())
    # Two pieces were durable when the process went; the hundred bytes were not.
    assert await tus.offset(at) == 2 * PIECE

    async def leaving() -> AsyncIterator[bytes]:
        yield CONTENT[2 * PIECE : 2 * PIECE + 100]

    progress = await (await appending()).run(2 * PIECE, leaving())
    assert progress.offset == await tus.offset(at) == 2 * PIECE + 100
    assert "X-File-Id" in (await tus.send(at, progress.offset, CONTENT[progress.offset :])).headers


async def test_more_than_was_announced_is_refused(tus: Tus, resources: Resources, before: set[Path]) -> None:
    at = await tus.begun(10)
    answer = await tus.send(at, 0, b"eleven byte")
    assert (answer.status_code, answer.json()["code"]) == (413, "file_too_large")
    assert await tus.offset(at) == 0
    assert in_store(resources) == before


async def test_a_program_is_refused_when_its_bytes_are_there(tus: Tus, resources: Resources, before: set[Path]) -> None:
    program = samples.ELF + bytes(10_000)
    at = await tus.begun(len(program), filename="notes.txt")
    assert (await tus.send(at, 0, program[:5000])).status_code == 204
    answer = await tus.send(at, 5000, program[5000:])
    assert (answer.status_code, answer.json()["code"]) == (400, "file_type_not_allowed")
    assert (await tus.api.head(at, headers=tus.headers())).status_code == 404
    assert in_store(resources) == before


REFUSED = [
    ({"length": 0}, 400, "file_empty"),
    ({"length": 100_001}, 413, "file_too_large"),
    ({"filename": "setup.exe"}, 400, "file_type_not_allowed"),
    ({"filetype": "application/x-msdownload"}, 400, "file_type_not_allowed"),
    ({"ticket_id": "999999"}, 404, "ticket_not_found"),
    ({"ticket_id": "one"}, 400, "upload_header_invalid"),
]


async def test_what_no_file_may_be_is_refused_when_it_is_announced(tus: Tus) -> None:
    for given, status, code in REFUSED:
        answer = await tus.begin(**given)  # type: ignore[arg-type] # lengths and words
        assert (answer.status_code, answer.json()["code"]) == (status, code)


MALFORMED = [
    ("post", {"Upload-Length": "5", "Upload-Metadata": "filename !"}),
    ("post", {"Upload-Length": "5", "Upload-Metadata": "a YQ==,a YQ=="}),
    ("post", {"Upload-Defer-Length": "1"}),
    ("patch", {"Upload-Offset": "0", "Upload-Checksum": "crc32 AAAA"}),
    ("patch", {"Upload-Offset": "0", "Upload-Checksum": "sha1 AAAA"}),
    ("patch", {"Upload-Offset": "9999999999999999999"}),
]


async def test_headers_that_are_none_of_the_protocol_are_refused(tus: Tus) -> None:
    at = await tus.begun()
    for method, headers in MALFORMED:
        body = {} if method == "post" else {"Content-Type": "application/offset+octet-stream"}
        answer = await tus.api.request(
            method, URL if method == "post" else at, headers={**tus.headers(), **headers, **body}
        )
        assert (answer.status_code, answer.json()["code"]) == (400, "upload_header_invalid"), headers


async def test_another_version_or_body_is_refused(tus: Tus) -> None:
    at = await tus.begun()
    old = await tus.api.head(at, headers={**tus.headers(), "Tus-Resumable": "0.2.2"})
    assert (old.status_code, old.headers["Tus-Version"]) == (412, "1.0.0")
    form = await tus.api.patch(at, headers=tus.headers(Upload_Offset="0"), content=b"words")
    assert (form.status_code, form.json()["code"]) == (415, "upload_body_type_wrong")


async def test_an_upload_is_its_senders_alone(tus: Tus, stranger: Person, agent: Person) -> None:
    at = await tus.begun()
    for other in (stranger, agent):
        theirs = Tus(tus.api, other)
        assert (await tus.api.head(at, headers=theirs.headers())).status_code == 404
        assert (await theirs.send(at, 0, CONTENT)).json()["code"] == "upload_not_found"
        assert (await tus.api.delete(at, headers=theirs.headers())).status_code == 404


async def test_an_upload_given_up_leaves_nothing(tus: Tus, resources: Resources, before: set[Path]) -> None:
    at = await tus.begun()
    await tus.send(at, 0, CONTENT[:9000])
    assert in_store(resources) != before
    assert (await tus.api.delete(at, headers=tus.headers())).status_code == 204
    assert (await tus.api.head(at, headers=tus.headers())).status_code == 404
    assert in_store(resources) == before


async def test_an_upload_nobody_goes_on_with_ends(tus: Tus, resources: Resources, before: set[Path]) -> None:
    at = await tus.begun()
    going_on = await tus.begun()
    await tus.send(at, 0, CONTENT[:9000])
    async with resources.db.unit_of_work() as db:
        statement = text("UPDATE resumable_uploads SET expires_at = now() - interval '1 s' WHERE id = :id")
        await db.execute(statement, {"id": at.rpartition("/")[2]})
    assert (await tus.send(at, 9000, CONTENT[9000:])).status_code == 404
    await keeping.end_expired_uploads(resources.db, resources.storage)
    async with resources.db.reading() as db:
        assert (await db.execute(select(UploadPiece))).first() is None
    assert in_store(resources) == before
    assert await tus.offset(going_on) == 0


async def test_too_many_pieces_end_in_a_clear_refusal(
    tus: Tus, resources: Resources, before: set[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resumable, "MAX_PIECES", 2)
    at = await tus.begun()
    assert [(await tus.send(at, n, CONTENT[n : n + 1])).status_code for n in range(3)] == [204, 204, 400]
    assert len(in_store(resources) - before) == 2


async def test_the_quota_counts_files_and_what_was_announced(tus: Tus) -> None:
    at = await tus.begun(90_000)
    refused = await tus.begin(30_001, filename="b.log")
    assert (refused.status_code, refused.json()["code"]) == (413, "storage_quota_exceeded")
    body = {"file": ("c.txt", b"words and more words\n" * 1500)}
    form = await tus.api.post("/api/v1/files/upload", files=body, headers=tus.who.headers)
    assert (form.status_code, form.json()["code"]) == (413, "storage_quota_exceeded")
    await tus.api.delete(at, headers=tus.headers())
    assert (await tus.begin(30_001, filename="b.log")).status_code == 201


async def test_a_file_takes_the_room_that_its_announcement_had(tus: Tus) -> None:
    content = (CONTENT * 5)[:99_000]
    at = await tus.begun(len(content))
    assert "X-File-Id" in (await tus.send(at, 0, content)).headers


async def test_a_quota_holds_when_many_come_at_once(tus: Tus, resources: Resources) -> None:
    content = (CONTENT * 5)[:50_000]
    body = {"file": ("c.txt", content)}
    answers = await asyncio.gather(
        *(tus.api.post("/api/v1/files/upload", files=body, headers=tus.who.headers) for _ in range(5))
    )
    assert sorted(answer.status_code for answer in answers) == [201, 201, 413, 413, 413]
    async with resources.db.reading() as db:
        assert len((await db.execute(select(File.id))).all()) == 2


async def test_the_quota_of_all_is_of_all(
    resources: Resources, settings: Settings, sender: Person, stranger: Person
) -> None:
    files = FileSettings(total_quota_bytes=1000)
    async with serving(settings.model_copy(update={"files": files})) as api:
        assert (await Tus(api, sender).begin(600)).status_code == 201
        assert (await Tus(api, stranger).begin(600)).json()["code"] == "storage_quota_exceeded"


async def test_bytes_without_a_row_are_collected_when_they_are_old(
    tus: Tus, resources: Resources, before: set[Path]
) -> None:
    at = await tus.begun()
    await tus.send(at, 0, CONTENT[:9000])
    await tus.begin(6, b"words\n", filename="a.txt")
    known = in_store(resources)

    async def one() -> AsyncIterator[bytes]:
        yield b"x"

    day = f"{now():%Y/%m/%d}"
    orphan = "01936d3c-0000-7000-8000-00000000000{}"
    lost = [
        f"uploads/{day}/{orphan.format(1)}",
        f"{day}/{orphan.format(2)}",
        f"{day}/.{orphan.format(3)}.0a1b2c3d.part",
        f"derived/{day}/{orphan.format(5)}",
    ]
    for key in [*lost, f"others/{orphan.format(4)}"]:
        await resources.storage.put(key, one())
    assert await keeping.collect_orphans(resources.db, resources.storage, FileSettings()) == 0
    later = FileSettings.model_construct(orphan_hours=-1)
    removed = await keeping.collect_orphans(resources.db, resources.storage, later)
    assert removed >= 4
    left = in_store(resources)
    assert known - before <= left
    assert {path.name for path in left - known} == {orphan.format(4)}


@pytest.mark.parametrize("value", ["", "5 6", "-1", "٣"])
def test_a_length_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(Problem):
        announcement(value, None)
