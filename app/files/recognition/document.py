"""Office, OpenDocument, EPUB, RTF, HTML and e-mail, turned into Markdown by MarkItDown's converters or read here.

Converters are called directly, one for a format: MarkItDown's own dispatch also knows converters that start
programs or call services, which must not see a stranger's file. ZIP containers are checked for bombs before.
"""

import email
import email.policy
import io
import zipfile
from email.message import EmailMessage
from importlib.metadata import version
from pathlib import Path
from typing import Final
from xml.parsers.expat import ExpatError

from markitdown import DocumentConverter, MarkItDownException, StreamInfo
from markitdown.converters import (
    DocxConverter,
    EpubConverter,
    HtmlConverter,
    IpynbConverter,
    PptxConverter,
    XlsxConverter,
)

from app.files.recognition.archive import check_zip
from app.files.recognition.image import DECODER_ERRORS
from app.files.recognition.open_document import open_document_text
from app.files.recognition.result import (
    Progress,
    Recognition,
    RecognitionSettings,
    Scalar,
    Segment,
    Unreadable,
)
from app.files.recognition.rtf import rtf_text
from app.files.recognition.text import clean, decode

_CONVERTERS: Final[dict[str, type[DocumentConverter]]] = {
    "docx": DocxConverter,
    "xlsx": XlsxConverter,
    "pptx": PptxConverter,
    "epub": EpubConverter,
    "html": HtmlConverter,
    "ipynb": IpynbConverter,
}
_OPEN_DOCUMENT: Final = frozenset({"odt", "ods", "odp"})
_MAX_HTML_BYTES: Final = 16 * 1024 * 1024
_MAX_MAIL_PARTS: Final = 500
_CONVERTER_ERRORS: Final = (
    *DECODER_ERRORS, MarkItDownException, zipfile.BadZipFile, LookupError, RecursionError,
    AssertionError, NotImplementedError, ExpatError,
)  # fmt: skip


def converts(label: str) -> bool:
    """Whether a content label is one this module reads."""
    return label in _CONVERTERS or label in _OPEN_DOCUMENT or label in ("eml", "mht", "rtf")


def recognise_document(path: Path, label: str, *, settings: RecognitionSettings, progress: Progress) -> Recognition:
    """The document's text as Markdown.

    Raises:
        Hostile: its container is a decompression bomb or its XML attacks the parser.
        Unreadable: damaged, encrypted, or of a format that cannot be read here.
    """
    progress("validation", 0.0, "Checking the document")
    if label == "outlook":
        raise Unreadable("An Outlook message (.msg) cannot be read; save it as .eml or PDF.", "validation")
    if not converts(label):
        raise Unreadable(
            "This document format cannot be read; send it as PDF or in a current Office format.", "validation"
        )
    try:
        text, metadata = _text(path, label, settings)
    except _CONVERTER_ERRORS as error:
        raise Unreadable(f"The document is damaged or encrypted ({type(error).__name__}).", "validation") from error
    cleaned = clean(text).strip()
    cut = cleaned[: settings.max_chars]
    progress("ocr", 1.0, f"Read {len(cut):,} characters")
    return Recognition(
        analysis_type="document",
        text=cut,
        segments=[Segment(cut)] if cut else [],
        confidence=1.0 if cut else None,
        engine="markitdown" if label in _CONVERTERS else label,
        engine_version=version("markitdown") if label in _CONVERTERS else "1",
        metadata={**metadata, "format": label, "truncated": len(cleaned) > len(cut)},
    )


def _text(path: Path, label: str, settings: RecognitionSettings) -> tuple[str, dict[str, Scalar]]:
    if label in ("eml", "mht"):
        return _mail(path, settings)
    if label == "rtf":
        return rtf_text(path.read_bytes(), settings.max_chars), {}
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as container:
            check_zip(container, settings.max_expanded_bytes)
            if label in _OPEN_DOCUMENT:
                return open_document_text(container.read("content.xml")), {}
    content = path.read_bytes() if label in ("docx", "xlsx", "pptx", "epub") else _bounded(path)
    charset = decode(content)[1] if label in ("html", "ipynb") else None
    return _converted(label, content, charset)


def _converted(label: str, content: bytes, charset: str | None) -> tuple[str, dict[str, Scalar]]:
    result = _CONVERTERS[label]().convert(io.BytesIO(content), StreamInfo(extension=f".{label}", charset=charset))
    return result.markdown, {"title": clean(result.title)[:500]} if result.title else {}


def _bounded(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(_MAX_HTML_BYTES)


def _mail(path: Path, settings: RecognitionSettings) -> tuple[str, dict[str, Scalar]]:
    with path.open("rb") as stream:
        message = email.message_from_binary_file(stream, policy=email.policy.default)
    lines = [f"{field}: {message[field]}" for field in ("From", "To", "Cc", "Date", "Subject") if message[field]]
    attachments: list[str] = []
    bodies: list[str] = []
    for count, part in enumerate(message.walk()):
        if count >= _MAX_MAIL_PARTS:
            break
        if part.is_multipart():
            continue
        if name := part.get_filename():
            attachments.append(name)
        elif part.get_content_type() in ("text/plain", "text/html"):
            bodies.append(_mail_body(part, settings))
    if attachments:
        lines.append("Attachments: " + ", ".join(attachments))
    return "\n".join([*lines, "", *bodies]), {
        "attachments": len(attachments),
        "subject": str(message["Subject"] or "")[:500],
    }


def _mail_body(part: EmailMessage, settings: RecognitionSettings) -> str:
    payload = part.get_payload(decode=True)
    content = payload[: settings.max_chars * 4] if isinstance(payload, bytes) else b""
    text, charset = _declared(content, part.get_content_charset()) or decode(content)
    if part.get_content_type() == "text/html":
        return _converted("html", content, charset)[0]
    return text


def _declared(content: bytes, charset: str | None) -> tuple[str, str] | None:
    """By the charset that the mail names, unless it is unknown or does not fit."""
    try:
        return (clean(content.decode(charset)), charset) if charset else None
    except (LookupError, UnicodeDecodeError):
        return None
