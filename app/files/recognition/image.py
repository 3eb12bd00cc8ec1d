"""Pictures: opened with Pillow behind limits, turned upright, and read line by line.

The number of pixels is checked from the header before anything is decoded, so a header that claims 100,000 ×
100,000 costs nothing. Only the first frame of an animation is read.
"""

import struct
import warnings
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageOps

from app.files.recognition.ocr import ocr_engine, read_lines
from app.files.recognition.result import (
    Hostile,
    Progress,
    Recognition,
    RecognitionSettings,
    Scalar,
    Unreadable,
    joined,
    weighted_confidence,
)

FORMATS: Final = (
    "PNG", "JPEG", "GIF", "BMP", "DIB", "TIFF", "WEBP", "AVIF", "ICO", "JPEG2000", "PPM", "TGA", "PSD",
)  # fmt: skip
"""No EPS or WMF (they start other programs), no format whose decoder has a record of endless loops."""

DECODER_ERRORS: Final = (
    OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError, OverflowError,
    ZeroDivisionError, MemoryError, RuntimeError, struct.error, zlib.error,
)  # fmt: skip
"""What Pillow's decoders raise on damaged input, by its own fuzzing cases."""


@dataclass(frozen=True, slots=True)
class Picture:
    """The first frame, upright. `scale` leads from its size back to the original's, whose size is told here."""

    image: Image.Image
    scale: float
    width: int
    height: int
    format: str
    frames: int


def recognise_image(path: Path, *, settings: RecognitionSettings, progress: Progress) -> Recognition:
    """Read the text in a picture.

    Raises:
        Hostile: more pixels than allowed.
        Unreadable: not a picture, or a damaged one.
    """
    progress("validation", 0.0, "Checking the picture")
    picture = open_picture(path, max_pixels=settings.max_pixels, max_side=settings.max_side)
    progress("ocr", 0.0, "Reading the picture")

    def told(done: int, parts: int) -> None:
        if parts > 1:
            progress("ocr", done / parts, f"Read part {done} of {parts}")

    engine = ocr_engine(settings.threads, settings.max_side)
    segments = read_lines(picture.image, settings, scale=picture.scale, told=told)[: settings.max_segments]
    text, cut = joined(segments, settings.max_chars)
    metadata: dict[str, Scalar] = {
        "width": picture.width,
        "height": picture.height,
        "format": picture.format,
        "frames": picture.frames,
        "lines": len(segments),
        "truncated": cut,
    }
    progress("ocr", 1.0, f"Found {len(segments)} lines" if segments else "Found no text")
    return Recognition(
        analysis_type="ocr",
        text=text,
        segments=segments,
        confidence=weighted_confidence(segments),
        engine=engine.name,
        engine_version=engine.version,
        metadata=metadata,
    )


def open_picture(path: Path, *, max_pixels: int, max_side: int) -> Picture:
    """Decode the first frame, upright. A JPEG more than twice as wide as `max_side` is decoded smaller.

    Raises:
        Hostile: the header (or a frame inside) claims more than `max_pixels`.
        Unreadable: no decoder knows it, or the data are cut off or damaged.
    """
    with path.open("rb") as stream:
        header = stream.read(24)
    if header.startswith(b"\x89PNG") and len(header) == 24:
        # Pillow reads on to the pixels before it tells the size; a header alone must be enough to refuse.
        width, height = struct.unpack(">II", header[16:24])
        _refuse_bomb(width, height, max_pixels)
    Image.init()
    Image.MAX_IMAGE_PIXELS = max_pixels
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                _refuse_bomb(image.width, image.height, max_pixels)
                return _decoded(image, max_side)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Hostile(
            f"The picture claims more pixels than the {max_pixels:,} allowed; it was not decoded.", "validation"
        ) from error
    except DECODER_ERRORS as error:
        if "Decompressed data too large" in str(error):
            raise Hostile("The picture hides a decompression bomb in its text.", "validation") from error
        raise Unreadable(f"The picture cannot be decoded: {_first_line(error)}.", "validation") from error


def _refuse_bomb(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise Hostile(
            f"The picture's header claims {width:,} × {height:,} pixels; at most {max_pixels:,} are allowed.",
            "validation",
        )
    if width < 1 or height < 1:
        raise Unreadable("The picture has no pixels.", "validation")


def _decoded(image: Image.Image, max_side: int) -> Picture:
    kind, width, height = str(image.format or "unknown"), image.width, image.height
    frames = int(getattr(image, "n_frames", 1))
    if width > 2 * max_side:
        image.draft("RGB", (max_side, height * max_side // width))
    image.load()
    scale = image.width / width
    stored = image.size
    # Broken EXIF says nothing about the pixels.
    with suppress(*DECODER_ERRORS):
        ImageOps.exif_transpose(image, in_place=True)
    if stored[0] != stored[1] and image.size == stored[::-1]:
        width, height = height, width
    return Picture(_eight_bits(image), scale, width, height, kind, frames)


def _eight_bits(image: Image.Image) -> Image.Image:
    """16-bit and float pictures are stretched to their range."""
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.asarray(image, dtype=np.float32)
    finite = np.where(np.isfinite(values), values, np.float32(0.0))
    low, high = float(finite.min()), float(finite.max())
    spread = (finite - low) * (255.0 / (high - low)) if high > low else np.zeros_like(finite)
    return Image.fromarray(spread.astype(np.uint8))


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    # Pillow names the path it was given; the uploader knows the file by another name.
    return lines[0].partition(" file '")[0].rstrip(".")[:200] if lines else type(error).__name__
