"""A display name that is safe to show, log, and put into a header, made from whatever the client sent.

The name is never used as a storage key: it only has to stay readable and harmless.
"""

import re
import unicodedata

MAX_BYTES = 255
FALLBACK = "file"

_SEPARATORS = re.compile(r"[/\\]")
_FORBIDDEN = re.compile(r'[<>:"|?*]')
_RESERVED = re.compile(r"^(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?=\.|$)", re.IGNORECASE)
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_LONGEST_EXTENSION = 32


def safe_filename(name: str | None) -> str:
    """The last path component of `name` without what could mislead a reader or a file system.

    Separators of both kinds cut the path; control, bidirectional, surrogate and unassigned characters go;
    characters Windows forbids become `_`; reserved device names get a leading `_`; the result has at most
    255 bytes of UTF-8 and keeps its extension. A name of which nothing is left becomes `file`.
    """
    last = next((part for part in reversed(_SEPARATORS.split(name or "")) if part.strip(" .\0")), "")
    visible = "".join(" " if unicodedata.category(c) == "Zs" else c for c in last if _is_visible(c))
    normal = unicodedata.normalize("NFC", visible)
    plain = re.sub(r"\s+", " ", _FORBIDDEN.sub("_", normal)).strip(" ").rstrip(". ")
    if not plain.strip("."):
        return FALLBACK
    if _RESERVED.match(plain):
        plain = f"_{plain}"
    return _shortened(plain)


def extensions(name: str | None) -> frozenset[str]:
    """Every lower-case extension under which some system might open `name`.

    Windows drops trailing dots and spaces and reads `a.exe:stream` as `a.exe`; a C library stops at a NUL (some clients
    send `%00`). The
    last extension of each such reading counts, so `a.exe\\0.png` has both `exe` and `png`.
    """
    readings = {safe_filename(name)}
    for part in re.split(r"\0|%00|:", name or ""):
        readings.add(safe_filename(part))
    found = (reading.rpartition(".")[2].strip().lower() for reading in readings if "." in reading)
    return frozenset(extension for extension in found if extension)


def _is_visible(char: str) -> bool:
    return unicodedata.category(char) not in _INVISIBLE


def _shortened(name: str) -> str:
    if len(name.encode()) <= MAX_BYTES:
        return name
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension.encode()) > _LONGEST_EXTENSION:
        return _cut(name, MAX_BYTES)
    suffix = dot + extension
    return _cut(stem, MAX_BYTES - len(suffix.encode())) + suffix


def _cut(text: str, limit: int) -> str:
    return text.encode()[:limit].decode(errors="ignore").rstrip(". ")
