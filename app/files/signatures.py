"""Byte signatures of the formats people attach, and the names inside ZIP and OLE containers.

Magika is good at text and poor at rare or damaged binaries (it takes some DDS textures for Flash), so a known
signature wins over it. Sources: the formats' own specifications and the IANA media type registrations.
"""

import struct
from dataclasses import dataclass
from typing import Final, Literal

from app.files.sample import Sample

Group = Literal["image", "audio", "video", "document", "text", "archive", "binary"]


@dataclass(frozen=True, slots=True)
class Format:
    label: str
    mime: str
    group: Group


_PREFIXES: Final[tuple[tuple[bytes, Format], ...]] = (
    (b"\x89PNG\r\n\x1a\n", Format("png", "image/png", "image")),
    (b"\xff\xd8\xff", Format("jpeg", "image/jpeg", "image")),
    (b"GIF87a", Format("gif", "image/gif", "image")),
    (b"GIF89a", Format("gif", "image/gif", "image")),
    (b"II*\0", Format("tiff", "image/tiff", "image")),
    (b"MM\0*", Format("tiff", "image/tiff", "image")),
    (b"\0\0\1\0", Format("ico", "image/vnd.microsoft.icon", "image")),
    (b"\0\0\0\x0cjP  \r\n\x87\n", Format("jp2", "image/jp2", "image")),
    (b"\xff\x4f\xff\x51", Format("j2k", "image/jp2", "image")),
    (b"8BPS", Format("psd", "image/vnd.adobe.photoshop", "image")),
    (b"%PDF-", Format("pdf", "application/pdf", "document")),
    (b"{\\rtf", Format("rtf", "application/rtf", "document")),
    (b"OggS", Format("ogg", "audio/ogg", "audio")),
    (b"fLaC", Format("flac", "audio/flac", "audio")),
    (b"ID3", Format("mp3", "audio/mpeg", "audio")),
    (b"#!AMR", Format("amr", "audio/amr", "audio")),
    (b"MThd", Format("midi", "audio/midi", "audio")),
    (b"\x1aE\xdf\xa3", Format("mkv", "video/x-matroska", "video")),
    (b"FLV\1", Format("flv", "video/x-flv", "video")),
    (b"0&\xb2u\x8ef\xcf\x11", Format("asf", "video/x-ms-asf", "video")),
    (b"\0\0\1\xba", Format("mpeg", "video/mpeg", "video")),
    (b"\x1f\x8b", Format("gzip", "application/gzip", "archive")),
    (b"BZh", Format("bzip2", "application/x-bzip2", "archive")),
    (b"\xfd7zXZ\0", Format("xz", "application/x-xz", "archive")),
    (b"7z\xbc\xaf'\x1c", Format("sevenzip", "application/x-7z-compressed", "archive")),
    (b"Rar!\x1a\x07", Format("rar", "application/vnd.rar", "archive")),
    (b"(\xb5/\xfd", Format("zstd", "application/zstd", "archive")),
    (b"MSCF", Format("cab", "application/vnd.ms-cab-compressed", "archive")),
    (b"SQLite format 3\0", Format("sqlite", "application/vnd.sqlite3", "binary")),
)
_RIFF: Final = {
    b"WAVE": Format("wav", "audio/wav", "audio"),
    b"AVI ": Format("avi", "video/x-msvideo", "video"),
    b"WEBP": Format("webp", "image/webp", "image"),
}
_FTYP_IMAGE: Final = {
    b"avif": "avif",
    b"avis": "avif",
    b"heic": "heic",
    b"heix": "heic",
    b"mif1": "heif",
    b"msf1": "heif",
}
ZIP: Final = Format("zip", "application/zip", "archive")
TAR: Final = Format("tar", "application/x-tar", "archive")
OLE_MAGIC: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OPEN_XML: Final = "application/vnd.openxmlformats-officedocument."
_OFFICE: Final[tuple[tuple[str, Format], ...]] = (
    ("word/", Format("docx", _OPEN_XML + "wordprocessingml.document", "document")),
    ("xl/", Format("xlsx", _OPEN_XML + "spreadsheetml.sheet", "document")),
    ("ppt/", Format("pptx", _OPEN_XML + "presentationml.presentation", "document")),
)
_OPEN_DOCUMENT: Final = {
    b"application/vnd.oasis.opendocument.text": "odt",
    b"application/vnd.oasis.opendocument.spreadsheet": "ods",
    b"application/vnd.oasis.opendocument.presentation": "odp",
    b"application/epub+zip": "epub",
}
_MAX_ENTRIES: Final = 20_000
_TAR_MAGIC_AT: Final = 257


def binary_format(sample: Sample) -> Format | None:
    """The format whose signature the content bears, or None (text, or a binary we do not know)."""
    head = sample.head
    if head.startswith((b"PK\3\4", b"PK\5\6", b"PK\7\x08")):
        return _zip_format(sample)
    for prefix, known in _PREFIXES:
        if head.startswith(prefix):
            return _webm(head) if known.label == "mkv" else known
    if head.startswith((b"RIFF", b"RF64")):
        return _RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _iso_media(head)
    if (
        head.startswith(b"BM")
        and len(head) >= 26
        and struct.unpack_from("<I", head, 14)[0] in (12, 16, 40, 52, 56, 64, 108, 124)
    ):
        return Format("bmp", "image/bmp", "image")
    if head.startswith(b"FORM") and head[8:12] in (b"AIFF", b"AIFC"):
        return Format("aiff", "audio/aiff", "audio")
    if len(head) > 3 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return Format("aac", "audio/aac", "audio")
    if len(head) > 3 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2 and head[2] & 0xF0 != 0xF0:
        return Format("mp3", "audio/mpeg", "audio")
    if head[_TAR_MAGIC_AT : _TAR_MAGIC_AT + 5] == b"ustar":
        return TAR
    return None


def zip_names(sample: Sample) -> list[bytes]:
    """Entry names of the ZIP as far as the sample holds its directory (at most 20,000), else its first entry's."""
    tail = sample.tail
    end = tail.rfind(b"PK\5\6")
    names: list[bytes] = []
    if end >= 0 and end + 22 <= len(tail):
        directory_bytes = struct.unpack_from("<I", tail, end + 12)[0]
        at = max(0, end - directory_bytes)
        if tail[at : at + 4] != b"PK\1\2":
            at = tail.find(b"PK\1\2", at, end)
        while 0 <= at < end and tail[at : at + 4] == b"PK\1\2" and at + 46 <= len(tail) and len(names) < _MAX_ENTRIES:
            name_bytes, extra, comment = struct.unpack_from("<HHH", tail, at + 28)
            names.append(tail[at + 46 : at + 46 + name_bytes])
            at += 46 + name_bytes + extra + comment
    first = _first_zip_entry(sample.head)
    return names if not first or first in names else [first, *names]


def ole_root_class(sample: Sample) -> bytes:
    """The CLSID of an OLE compound file's root entry (16 bytes), `b""` when outside the sample."""
    header = sample.at(0, 512)
    if not header.startswith(OLE_MAGIC):
        return b""
    shift, first_directory_sector = struct.unpack_from("<H", header, 30)[0], struct.unpack_from("<I", header, 48)[0]
    if shift not in (9, 12):
        return b""
    return sample.at((first_directory_sector + 1 << shift) + 80, 16)


def _first_zip_entry(head: bytes) -> bytes:
    if not head.startswith(b"PK\3\4") or len(head) < 30:
        return b""
    return head[30 : 30 + struct.unpack_from("<H", head, 26)[0]]


def _zip_format(sample: Sample) -> Format:
    if _first_zip_entry(sample.head) == b"mimetype":
        size = struct.unpack_from("<I", sample.head, 18)[0]
        start = 38 + struct.unpack_from("<H", sample.head, 28)[0]
        declared = sample.head[start : start + min(size, 100)]
        if declared in _OPEN_DOCUMENT:
            return Format(_OPEN_DOCUMENT[declared], declared.decode("ascii"), "document")
    names = zip_names(sample)
    if b"[Content_Types].xml" in names or any(name.startswith(b"_rels/") for name in names):
        for prefix, office in _OFFICE:
            if any(name.startswith(prefix.encode()) for name in names):
                return office
    return ZIP


def _iso_media(head: bytes) -> Format:
    size = struct.unpack_from(">I", head, 0)[0]
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, min(size, 256), 4))}
    for brand, label in _FTYP_IMAGE.items():
        if brand in brands:
            return Format(label, f"image/{label}", "image")
    if head[8:11] in (b"M4A", b"M4B"):
        return Format("m4a", "audio/mp4", "audio")
    if head[8:10] == b"qt":
        return Format("mov", "video/quicktime", "video")
    if head[8:10] == b"3g":
        return Format("3gp", "video/3gpp", "video")
    return Format("mp4", "video/mp4", "video")


def _webm(head: bytes) -> Format:
    if b"webm" in head[:64]:
        return Format("webm", "video/webm", "video")
    return Format("mkv", "video/x-matroska", "video")
