"""What others see of a file: a preview as WebP, and a picture without what its camera wrote into it.

Runs in the child process, since its input is hostile. Previews are made of pictures, of a PDF's first page and of a
frame of a video; a copy to be shown, of pictures alone: upright, its colours in sRGB, and nothing in it but pixels.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, cast

import av
import av.container
import av.error
import numpy as np
import pypdfium2
from PIL import Image, ImageCms, ImageOps, ImageSequence
from pypdfium2 import PdfiumError

from app.files.recognition.image import DECODER_ERRORS, FORMATS
from app.files.recognition.result import Unreadable
from app.files.rendering.result import Kind, Rendered, Renderings, RenderLimits
from app.files.signatures import Group

ANIMATED_PIXELS: Final = 30_000_000
"""Of all frames together; of more, the first alone is shown."""
MOST_FRAMES: Final = 1000
WEBP_SIDE: Final = 16_383
POSTER_SECONDS: Final = 3.0
"""So far into a video, or a tenth of it, its picture is taken: the first one is often black."""

_LOSSY: Final = frozenset({"WEBP", "AVIF", "JPEG2000"})
_ALPHA: Final = frozenset({"RGBA", "LA", "PA", "La", "RGBa"})
_VIDEOS: Final = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,asf,mpeg,mpegts,ogg"


def render(path: Path, group: Group, label: str, folder: Path, limits: RenderLimits) -> Renderings:
    """Write what can be made of the file at `path` into `folder`.

    Raises:
        Unreadable: damaged, locked, larger than the limits, or without a picture.
    """
    try:
        if group == "image":
            return Renderings(_picture(path, folder, limits))
        picture = _page(path, limits) if label == "pdf" else _poster(path, limits)
        return Renderings([_preview(picture, folder, limits)])
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Unreadable("The picture has more pixels than are allowed.", "validation") from error
    except (*DECODER_ERRORS, PdfiumError, av.error.FFmpegError) as error:
        raise Unreadable(f"No picture can be made of it ({type(error).__name__}).", "validation") from error


def _picture(path: Path, folder: Path, limits: RenderLimits) -> list[Rendered]:
    with _opened(path, limits.max_pixels) as image:
        shown = _animation(image, folder) or _still(image, folder)
        image.seek(0)
        return [shown, _preview(_plain(image), folder, limits)]


@contextmanager
def _opened(path: Path, max_pixels: int) -> Iterator[Image.Image]:
    Image.init()
    Image.MAX_IMAGE_PIXELS = max_pixels
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(path, formats=FORMATS) as image:
            yield image


def _still(image: Image.Image, folder: Path) -> Rendered:
    """In its own format, or the nearest one that every browser shows."""
    kind = str(image.format)
    plain = _plain(image)
    if kind in ("JPEG", "MPO") and plain.mode != "RGBA":
        return _saved(plain, folder, "shown", "JPEG", quality=90)
    if kind in _LOSSY and max(plain.size) <= WEBP_SIDE:
        return _saved(plain, folder, "shown", "WEBP", quality=90)
    return _saved(plain, folder, "shown", "PNG")


def _animation(image: Image.Image, folder: Path) -> Rendered | None:
    """All frames of an animation or all pages of a TIFF; None for a still, and for one that is too long."""
    kind, count = image.format, int(getattr(image, "n_frames", 1))
    if kind not in ("GIF", "WEBP", "PNG", "TIFF") or not 1 < count <= MOST_FRAMES:
        return None
    if count * image.width * image.height > ANIMATED_PIXELS or max(image.size) > WEBP_SIDE:
        return None
    frames, milliseconds = [], []
    for frame in ImageSequence.Iterator(image):
        milliseconds.append(max(20, int(frame.info.get("duration", 100) or 100)))
        frames.append(_plain(frame))
    first, rest = frames[0], frames[1:]
    if kind == "TIFF":
        return _saved(first, folder, "shown", "TIFF", save_all=True, append_images=rest, compression="tiff_deflate")
    return _saved(
        first, folder, "shown", "WEBP", save_all=True, append_images=rest, duration=milliseconds, loop=0, quality=80
    )


def _preview(picture: Image.Image, folder: Path, limits: RenderLimits) -> Rendered:
    picture.thumbnail((limits.side, limits.side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return _saved(picture, folder, "preview", "WEBP", quality=80)


def _saved(picture: Image.Image, folder: Path, kind: Kind, form: str, **options: Any) -> Rendered:
    picture.save(folder / kind, form, **options)
    return Rendered(kind, Image.MIME[form])


def _plain(image: Image.Image) -> Image.Image:
    """Upright, in L, RGB or RGBA, without any of what a file may hold beside its pixels."""
    image.load()
    profile = image.info.get("icc_profile")
    upright = image.copy()
    with suppress(*DECODER_ERRORS):  # broken EXIF says nothing about the pixels
        upright = ImageOps.exif_transpose(image)
    if profile and upright.mode in ("RGB", "CMYK"):
        upright = _in_srgb(upright, profile)
    if upright.mode.startswith(("I", "F")):
        upright = _stretched(upright)
    alpha = upright.mode in _ALPHA or "transparency" in upright.info
    plain = upright.convert("RGBA" if alpha else "L" if upright.mode in ("1", "L") else "RGB")
    # Encoders take comments, profiles and EXIF from here; a copy of its own may be cleared and scaled.
    plain = plain.copy() if plain is image else plain
    plain.info.clear()
    return plain


def _in_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    """As it is when its profile is broken: the pixels are all that matters then."""
    with suppress(ImageCms.PyCMSError, *DECODER_ERRORS):
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        if converted is not None:
            return converted
    return picture


def _stretched(picture: Image.Image) -> Image.Image:
    """Sixteen bits and more, to eight."""
    values = np.nan_to_num(np.asarray(picture, dtype=np.float64), posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    return Image.fromarray(((values - low) * (255.0 / (high - low or 1.0))).astype(np.uint8))


def _page(path: Path, limits: RenderLimits) -> Image.Image:
    with pypdfium2.PdfDocument(path) as document:
        if not len(document):
            raise Unreadable("The PDF has no page.", "validation")
        page = document[0]
        try:
            width, height = page.get_size()
            if width <= 0 or height <= 0:
                raise Unreadable("The PDF's first page has no size.", "validation")
            # A page of a hair's width and a mile's length is still a picture of at least a pixel.
            scale = limits.side / max(width, height)
            picture = page.render(scale=scale, rev_byteorder=True).to_pil()
            return cast("Image.Image", picture).convert("RGB")
        finally:
            page.close()


def _poster(path: Path, limits: RenderLimits) -> Image.Image:
    options = {"protocol_whitelist": "", "format_whitelist": _VIDEOS}
    with path.open("rb") as stream, av.open(stream, metadata_errors="replace", options=options) as opened:
        container = cast("av.container.InputContainer", opened)
        if not container.streams.video:
            raise Unreadable("The recording has no pictures.", "validation")
        track = container.streams.video[0]
        codec = track.codec_context
        if codec.width * codec.height > limits.max_pixels:
            raise Unreadable("The video has more pixels than are allowed.", "validation")
        codec.skip_frame = "NONKEY"
        seconds = min(POSTER_SECONDS, (container.duration or 0) / av.time_base / 10)
        for start in (seconds, 0.0):
            with suppress(av.error.FFmpegError):
                container.seek(int(start * av.time_base))
            with suppress(av.error.FFmpegError):
                frame = next(container.decode(track), None)
                if frame is not None:
                    picture: Image.Image = frame.to_image()  # type: ignore[no-untyped-call] # PyAV gives it no type
                    return picture.rotate(frame.rotation, expand=True)
    raise Unreadable("No picture of the video can be decoded.", "validation")
