"""Reading the lines of a picture with RapidOCR (PP-OCR models in its wheel, no download).

A tall picture is read band by band. A band that is read weakly, or not at all, is read once more with its contrast
stretched and its darkness turned to light: the models miss ink that differs from its ground by less than about 16 of
255 levels.
"""

import logging
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import version
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rapidocr import RapidOCR
from rapidocr.utils.output import RapidOCROutput

from app.files.recognition.result import Box, RecognitionSettings, Segment, weighted_confidence
from app.files.recognition.tiles import bands, joined_bands

Pixels = NDArray[np.uint8]
Told = Callable[[int, int], None]
"""`told(done, all)`: how many bands were read."""

_BLANK: Final = 3
"""Grey levels from the darkest to the lightest pixel that a picture without anything on it may have."""
_EVEN_OVER: Final = 256
"""Pixels over which light and shade are evened out: several letters wide, or the letters would be."""
_NARROW: Final = 4
"""A picture so many times taller than wide is widened: detection enlarges the shorter side to 736 pixels."""


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


@lru_cache(maxsize=1)
def ocr_engine(threads: int, max_side: int) -> OcrEngine:
    """The process's one OCR engine."""
    return RapidOcrEngine(threads=threads, max_side=max_side)


def read_lines(
    image: Image.Image,
    settings: RecognitionSettings,
    *,
    scale: float = 1.0,
    page: int | None = None,
    told: Told = lambda _done, _all: None,
) -> list[Segment]:
    """The lines of `image`. Boxes are divided by `scale`, to lie on the picture that it was scaled from."""
    engine = ocr_engine(settings.threads, settings.max_side)
    shrink = min(1.0, settings.max_side / image.width)
    height = max(1, round(image.height * shrink))
    width = max(1, round(image.width * shrink))
    cut = bands(width, height, max_side=settings.max_side)
    read = []
    for number, band in enumerate(cut, 1):
        rows = (0.0, band.top / shrink, float(image.width), min(image.height, band.bottom / shrink))
        pixels = _widened(_pixels(image, rows, (width, band.bottom - band.top)))
        read.append((band, _best_reading(engine, pixels, settings.low_confidence_below)))
        told(number, len(cut))
    lines = joined_bands(read)
    return [Segment(line.text, line.confidence, page=page, box=_rescaled(line.box, shrink * scale)) for line in lines]


def flat(image: Image.Image) -> Image.Image:
    """Eight bits a channel without transparency, on a ground that the text stands out from."""
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layered = image.convert("RGBA")
        alpha = np.asarray(layered.getchannel("A"))
        shown = np.asarray(layered.convert("L"))[alpha > 127]
        ground = "black" if shown.size and float(shown.mean()) > 160.0 else "white"
        canvas = Image.new("RGBA", layered.size, ground)
        return Image.alpha_composite(canvas, layered).convert("RGB")
    return image.convert("RGB")


def stretched(pixels: Pixels) -> Pixels | None:
    """Dark on light, from black to white, and evened out over the picture. None when there is nothing on it."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    low, high = np.percentile(grey, (0.5, 99.5))
    if high - low < _BLANK:
        low, high = grey.min(), grey.max()
    if high - low < _BLANK:
        return None
    spread = np.clip((grey.astype(np.float32) - low) * (255.0 / (high - low)), 0, 255).astype(np.uint8)
    if np.median(spread) < 128:
        spread = 255 - spread
    height, width = spread.shape
    squares = (max(1, round(width / _EVEN_OVER)), max(1, round(height / _EVEN_OVER)))
    even = cv2.createCLAHE(clipLimit=2.0, tileGridSize=squares).apply(spread)
    return np.asarray(cv2.cvtColor(even, cv2.COLOR_GRAY2RGB), dtype=np.uint8)


def _best_reading(engine: OcrEngine, pixels: Pixels, weak_below: float) -> list[Segment]:
    lines = engine.read(pixels)
    if (weighted_confidence(lines) or 0.0) >= weak_below or (clearer := stretched(pixels)) is None:
        return lines
    again = engine.read(clearer)
    # Noise that is stretched looks like letters: only a reading that is sure replaces the first.
    return again if (weighted_confidence(again) or 0.0) >= weak_below and _read(again) > _read(lines) else lines


def _read(lines: list[Segment]) -> float:
    """Characters, each counted as surely as it was read."""
    return sum(len(line.text) * (line.confidence or 0.0) for line in lines)


def _pixels(image: Image.Image, rows: tuple[float, float, float, float], size: tuple[int, int]) -> Pixels:
    left, top, right, bottom = rows
    if (image.width, image.height) == size:
        return np.asarray(flat(image), dtype=np.uint8)
    band = image.crop((int(left), int(top), int(right), max(int(top) + 1, round(bottom))))
    band.info = image.info
    shown = flat(band)
    return np.asarray(shown if shown.size == size else shown.resize(size, Image.Resampling.LANCZOS), dtype=np.uint8)


def _widened(pixels: Pixels) -> Pixels:
    height, width, _ = pixels.shape
    missing = height // _NARROW - width
    return np.pad(pixels, ((0, 0), (0, missing), (0, 0)), mode="edge") if missing > 0 else pixels


def _corners(box: NDArray[np.float32]) -> Box:
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = ((float(x), float(y)) for x, y in box)
    return ((ax, ay), (bx, by), (cx, cy), (dx, dy))


def _rescaled(box: Box | None, scale: float) -> Box | None:
    if box is None or scale == 1.0:
        return box
    a, b, c, d = ((round(x / scale, 1), round(y / scale, 1)) for x, y in box)
    return (a, b, c, d)
