"""Pictures: opened with Pillow behind limits, read with RapidOCR (PP-OCR models in its wheel, no download).

The number of pixels is checked from the header before anything is decoded, so a header that claims 100,000 ×
100,000 costs nothing. Only the first frame of an animation is read.
"""

import logging
import struct
import warnings
import zlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from rapidocr import RapidOCR
from rapidocr.utils.output import RapidOCROutput

from app.files.recognition.result import (
    Box,
    Hostile,
    Progress,
    Recognition,
    RecognitionSettings,
    Scalar,
    Segment,
    Unreadable,
    joined,
    weighted_confidence,
)

Pixels = NDArray[np.uint8]

FORMATS: Final = (
    "PNG", "JPEG", "GIF", "BMP", "DIB", "TIFF", "WEBP", "AVIF", "ICO", "JPEG2000", "PPM", "TGA", "PSD",
)  # fmt: skip
"""No EPS or WMF (they start other programs), no format whose decoder has a record of endless loops."""

DECODER_ERRORS: Final = (
    OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError, OverflowError,
    ZeroDivisionError, MemoryError, RuntimeError, struct.error, zlib.error,
)  # fmt: skip
"""What Pillow's decoders raise on damaged input, by its own fuzzing cases."""


class OcrEngine(Protocol):
    """Reads the lines of one picture."""

    name: str
    version: str

    def read(self, pixels: Pixels) -> list[Segment]:
        """Lines from top to bottom in an RGB array of shape (height, width, 3)."""
        ...


class RapidOcrEngine:
    """PP-OCR detection, orientation and recognition on ONNX Runtime; about 500 MB resident once loaded."""

    name = "rapidocr"

    def __init__(self, *, threads: int, max_side: int) -> None:
        logging.getLogger("RapidOCR").handlers.clear()
        self.version = version("rapidocr")
        self._engine = RapidOCR(
            params={
                "Global.log_level": "critical",
                "Global.max_side_len": max_side,
                "EngineConfig.onnxruntime.intra_op_num_threads": threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )

    def read(self, pixels: Pixels) -> list[Segment]:
        # RapidOCR takes OpenCV's channel order.
        output = self._engine(np.ascontiguousarray(pixels[:, :, ::-1]))
        if not isinstance(output, RapidOCROutput):
            return []
        texts, scores, boxes = output.txts, output.scores, output.boxes
        if texts is None or scores is None or boxes is None:
            return []
        return [
            Segment(text=text, confidence=round(float(score), 4), box=_corners(box))
            for text, score, box in zip(texts, scores, boxes, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class Picture:
    """Decoded first frame, scaled so that no side is longer than the limit; `scale` leads back to the original."""

    pixels: Pixels
    scale: float
    width: int
    height: int
    format: str
    frames: int


@lru_cache(maxsize=1)
def ocr_engine(threads: int, max_side: int) -> OcrEngine:
    """The process's one OCR engine."""
    return RapidOcrEngine(threads=threads, max_side=max_side)


def recognise_image(path: Path, *, settings: RecognitionSettings, progress: Progress) -> Recognition:
    """Read the text in a picture.

    Raises:
        Hostile: more pixels than allowed.
        Unreadable: not a picture, or a damaged one.
    """
    progress("validation", 0.0, "Checking the picture")
    picture = open_picture(path, max_pixels=settings.max_pixels, max_side=settings.max_side)
    progress("ocr", 0.1, "Reading the picture")
    engine = ocr_engine(settings.threads, settings.max_side)
    segments = read_lines(picture.pixels, picture.scale, settings)[: settings.max_segments]
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


def read_lines(pixels: Pixels, scale: float, settings: RecognitionSettings, page: int | None = None) -> list[Segment]:
    """OCR an array; boxes are divided by `scale` to lie on the picture it was scaled from."""
    lines = ocr_engine(settings.threads, settings.max_side).read(pixels)
    return [Segment(line.text, line.confidence, page=page, box=_rescaled(line.box, scale)) for line in lines]


def open_picture(path: Path, *, max_pixels: int, max_side: int) -> Picture:
    """Decode the first frame, upright, on a background its text stands out from.

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
    if max(width, height) > 2 * max_side:
        image.draft("RGB", (max_side, max_side))
    image.load()
    upright = _upright(image)
    if _turned(image, upright):
        width, height = height, width
    flat = _flat(upright)
    flat.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    pixels = np.asarray(flat.convert("RGB"), dtype=np.uint8)
    return Picture(pixels, flat.width / width, width, height, kind, frames)


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except DECODER_ERRORS:
        return image.copy()  # broken EXIF says nothing about the pixels


def _turned(before: Image.Image, after: Image.Image) -> bool:
    return before.width != after.width and before.width == after.height


def _flat(image: Image.Image) -> Image.Image:
    """Eight bits a channel without transparency; 16-bit and float pictures are stretched to their range."""
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image, dtype=np.float64)
        finite = np.where(np.isfinite(values), values, 0.0)
        low, high = float(finite.min()), float(finite.max())
        spread = (finite - low) * (255.0 / (high - low)) if high > low else np.zeros_like(finite)
        return Image.fromarray(spread.astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layered = image.convert("RGBA")
        alpha = np.asarray(layered.getchannel("A"))
        shown = np.asarray(layered.convert("L"))[alpha > 127]
        background = "black" if shown.size and float(shown.mean()) > 160.0 else "white"
        canvas = Image.new("RGBA", layered.size, background)
        return Image.alpha_composite(canvas, layered).convert("RGB")
    return image.convert("RGB")


def _corners(box: NDArray[np.float32]) -> Box:
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = ((float(x), float(y)) for x, y in box)
    return ((ax, ay), (bx, by), (cx, cy), (dx, dy))


def _rescaled(box: Box | None, scale: float) -> Box | None:
    if box is None or scale == 1.0:
        return box
    a, b, c, d = ((round(x / scale, 1), round(y / scale, 1)) for x, y in box)
    return (a, b, c, d)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    # Pillow names the path it was given; the uploader knows the file by another name.
    return lines[0].partition(" file '")[0].rstrip(".")[:200] if lines else type(error).__name__
