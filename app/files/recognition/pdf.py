"""PDF by PDFium, page by page: the text layer where there is one, OCR of the rendered page where there is none."""

import math
from importlib.metadata import version
from pathlib import Path
from typing import Final

import pypdfium2
from pypdfium2 import PdfiumError

from app.files.recognition.ocr import ocr_engine, read_lines
from app.files.recognition.result import (
    Progress,
    Recognition,
    RecognitionSettings,
    Segment,
    Unreadable,
    weighted_confidence,
)
from app.files.recognition.text import clean

_DPI: Final = 150
_POINTS_PER_INCH: Final = 72
_FEWEST_CHARS: Final = 3
_PASSWORD_ERROR: Final = 4


def recognise_pdf(path: Path, *, settings: RecognitionSettings, progress: Progress) -> Recognition:
    """One segment a page with a text layer, one a line on a page that was read by OCR.

    Raises:
        Unreadable: damaged, or protected by a password.
    """
    progress("validation", 0.0, "Checking the document")
    try:
        document = pypdfium2.PdfDocument(path)
    except PdfiumError as error:
        locked = getattr(error, "err_code", None) == _PASSWORD_ERROR or "password" in str(error).lower()
        reason = "The PDF is protected by a password." if locked else "The PDF is damaged and cannot be opened."
        raise Unreadable(reason, "validation") from error
    with document:
        return _read(document, settings, progress)


def _read(document: pypdfium2.PdfDocument, settings: RecognitionSettings, progress: Progress) -> Recognition:
    pages = len(document)
    limit = min(pages, settings.max_pages)
    segments: list[Segment] = []
    left = settings.max_chars
    read_by_ocr = broken = 0
    for index in range(limit):
        try:
            page_segments, by_ocr = _page(document, index, settings)
        except PdfiumError:
            broken += 1
            continue
        read_by_ocr += by_ocr
        for segment in page_segments:
            segments.append(Segment(segment.text[:left], segment.confidence, page=index + 1, box=segment.box))
            left -= len(segments[-1].text) + 1
            if left <= 0 or len(segments) >= settings.max_segments:
                break
        progress("ocr", (index + 1) / limit, f"Read page {index + 1} of {limit}")
        if left <= 0 or len(segments) >= settings.max_segments:
            break
    if pages and broken == limit:
        raise Unreadable("No page of the PDF can be read.", "ocr")
    engine, engine_version = "pdfium", version("pypdfium2")
    if read_by_ocr:
        ocr = ocr_engine(settings.threads, settings.max_side)
        engine, engine_version = f"pdfium+{ocr.name}", f"{engine_version}+{ocr.version}"
    full = "\n".join(segment.text for segment in segments)
    return Recognition(
        analysis_type="document",
        text=full[: settings.max_chars],
        segments=[segment for segment in segments if segment.text],
        confidence=_confidence(segments),
        engine=engine,
        engine_version=engine_version,
        metadata={
            "pages": pages,
            "pages_read": limit,
            "pages_by_ocr": read_by_ocr,
            "pages_broken": broken,
            "truncated": left <= 0 or limit < pages,
        },
    )


def _page(document: pypdfium2.PdfDocument, index: int, settings: RecognitionSettings) -> tuple[list[Segment], bool]:
    page = document[index]
    try:
        textpage = page.get_textpage()
        try:
            text = clean(textpage.get_text_bounded()).strip()
        finally:
            textpage.close()
        if len(text) >= _FEWEST_CHARS:
            return [Segment(text)], False
        width, height = page.get_size()
        if width <= 0 or height <= 0:
            return [], False
        most = math.sqrt(settings.max_pixels / (width * height))
        scale = min(_DPI / _POINTS_PER_INCH, settings.max_side / width, most)
        bitmap = page.render(scale=scale, rev_byteorder=True)
        return read_lines(bitmap.to_pil(), settings, page=index + 1), True
    finally:
        page.close()


def _confidence(segments: list[Segment]) -> float | None:
    """A text layer is certain: it weighs in with 1."""
    certain = [Segment(s.text, 1.0 if s.confidence is None else s.confidence) for s in segments]
    return weighted_confidence(certain)
