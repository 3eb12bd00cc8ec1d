"""What a file is, by its content. The name and the declared type are hints that can only make it worse.

Order: an executable by content, name or declared type; then our own signatures; then Magika (a small model in
its wheel, loaded once per process). A Content-Type that lies is resolved to what the content is.

| group    | what                                                            | recognition      |
|----------|-----------------------------------------------------------------|------------------|
| image    | PNG, JPEG, GIF, BMP, TIFF, WebP, AVIF, ICO, JPEG 2000, …        | OCR              |
| audio    | WAV, MP3, OGG, FLAC, AAC, M4A, AIFF, AMR, …                     | speech           |
| video    | MP4, MOV, WebM, MKV, AVI, FLV, ASF, MPEG, …                     | speech           |
| document | PDF, Office, OpenDocument, EPUB, RTF, HTML, e-mail              | text layer, OCR  |
| text     | plain text, logs, source code, CSV, JSON, XML, YAML, SVG        | text             |
| archive  | ZIP, TAR, GZIP, BZIP2, XZ, 7z, RAR, …                           | listing          |
| binary   | anything else that is not an executable (databases, captures)   | none: it fails   |

What counts as an executable is in `app.files.executables`.
"""

import codecs
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from magika import Magika
from magika.types import ContentTypeInfo

from app.files.executables import executable_content, executable_name, executable_type
from app.files.filename import extensions
from app.files.sample import Sample
from app.files.signatures import OLE_MAGIC, Format, Group, binary_format


class EmptyContent(ValueError):
    """The file has no bytes at all, so it has no type."""


@dataclass(frozen=True, slots=True)
class ContentType:
    """`reason` says why the file was refused when `executable`, else by what the type was told."""

    mime: str
    label: str
    group: Group
    executable: bool
    reason: str


_DOCUMENT_TEXT: Final = frozenset({"html", "eml", "mht", "rtf"})
_TEXT_TYPES: Final = {
    "csv": ("csv", "text/csv"),
    "eml": ("eml", "message/rfc822"),
    "htm": ("html", "text/html"),
    "html": ("html", "text/html"),
    "json": ("json", "application/json"),
    "log": ("txt", "text/plain"),
    "md": ("markdown", "text/markdown"),
    "txt": ("txt", "text/plain"),
    "xml": ("xml", "application/xml"),
    "yaml": ("yaml", "application/yaml"),
    "yml": ("yaml", "application/yaml"),
}
_MAIL: Final = re.compile(rb"(?:[A-Za-z][A-Za-z0-9-]{1,60}:[^\n]*\n(?:[ \t][^\n]*\n)*)+")
_MAIL_FIELDS: Final = (b"from:", b"date:", b"subject:", b"message-id:", b"received:", b"mime-version:")
_GROUPS: Final[dict[str, Group]] = {
    "image": "image",
    "audio": "audio",
    "video": "video",
    "document": "document",
    "archive": "archive",
}
_OLE_LABELS: Final = {
    "doc": "application/msword",
    "xls": "application/vnd.ms-excel",
    "ppt": "application/vnd.ms-powerpoint",
    "outlook": "application/vnd.ms-outlook",
}
_BINARY: Final = Format("unknown", "application/octet-stream", "binary")
_TEXT: Final = Format("txt", "text/plain", "text")
_TEXT_PROBE: Final = 8192
_MOST_CONTROLS: Final = 0.02
_BYTE_ORDER_MARKS: Final = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def identify(sample: Sample, *, filename: str | None = None, declared: str | None = None) -> ContentType:
    """The type of the sampled content.

    Raises:
        EmptyContent: the file has no bytes.
    """
    if sample.size == 0:
        raise EmptyContent("The file is empty.")
    known, told_by = _format(sample)
    if known.group == "text":
        known = _named_text(known, sample.head, filename)
    refusal = _executable(sample, filename, declared)
    return ContentType(
        mime=known.mime,
        label=known.label,
        group=known.group,
        executable=refusal is not None,
        reason=refusal or told_by,
    )


def _executable(sample: Sample, filename: str | None, declared: str | None) -> str | None:
    if content := executable_content(sample):
        return f"the content is {content}"
    if extension := executable_name(filename):
        return f"the name ends in .{extension}, which systems run when it is opened"
    if media_type := executable_type(declared):
        return f"the declared type {media_type} is an executable's"
    return None


def _format(sample: Sample) -> tuple[Format, str]:
    if known := binary_format(sample):
        return known, "signature"
    result = _magika().identify_bytes(sample.joined())
    guess = result.output
    if sample.head.startswith(OLE_MAGIC):
        return _ole(str(result.dl.label)), "signature"
    if guess.is_text:
        return _text(guess), "content model"
    if guess.group in _GROUPS:
        return Format(str(guess.label), guess.mime_type, _GROUPS[guess.group]), "content model"
    if _looks_like_text(sample.head):
        return _TEXT, "character statistics"
    return Format(str(guess.label), guess.mime_type, "binary") if _is_data(guess) else _BINARY, "content model"


def _is_data(guess: ContentTypeInfo) -> bool:
    return guess.group in ("application", "font") and str(guess.label) != "unknown"


def _text(guess: ContentTypeInfo) -> Format:
    label = str(guess.label)
    mime = _TEXT_TYPES[label][1] if label in _TEXT_TYPES else guess.mime_type
    return Format(label, mime, "document" if label in _DOCUMENT_TEXT else "text")


def _named_text(known: Format, head: bytes, filename: str | None) -> Format:
    """Text is text whatever it is called; only among the kinds of text the name is believed."""
    if _is_mail(head):
        label, mime = _TEXT_TYPES["eml"]
    else:
        extension = next(iter(sorted(extensions(filename) & _TEXT_TYPES.keys())), "")
        label, mime = _TEXT_TYPES.get(extension, (known.label, known.mime))
    return Format(label, mime, "document" if label in _DOCUMENT_TEXT else "text")


def _is_mail(head: bytes) -> bool:
    block = _MAIL.match(head[:_TEXT_PROBE].replace(b"\r\n", b"\n"))
    if block is None:
        return False
    fields = b"\n" + block.group().lower()
    return sum(b"\n" + field in fields for field in _MAIL_FIELDS) >= 3


def _ole(label: str) -> Format:
    if label in _OLE_LABELS:
        return Format(label, _OLE_LABELS[label], "document")
    return Format("ole", "application/x-ole-storage", "document")


def _looks_like_text(head: bytes) -> bool:
    """Text with a byte order mark, or bytes of which nearly none are control characters."""
    probe = head[:_TEXT_PROBE]
    if probe.startswith(_BYTE_ORDER_MARKS):
        return True
    controls = sum(1 for byte in probe if (byte < 32 and byte not in b"\t\n\r\f\x1b") or byte == 127)
    return controls <= len(probe) * _MOST_CONTROLS


@lru_cache(maxsize=1)
def _magika() -> Magika:
    return Magika()
