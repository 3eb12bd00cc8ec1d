"""Plain text: decoded by byte order mark, else UTF-8, else the likeliest single-byte or multi-byte charset."""

import codecs
from pathlib import Path
from typing import Final

from charset_normalizer import from_bytes

from app.files.recognition.result import Progress, Recognition, RecognitionSettings, Segment

ENGINE: Final = "text"
ENGINE_VERSION: Final = "1"
_BYTES_PER_CHAR: Final = 4
_DETECTED_FROM: Final = 64 * 1024
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def recognise_text(path: Path, *, settings: RecognitionSettings, progress: Progress) -> Recognition:
    """The text itself, with NUL and other control characters replaced, cut at `settings.max_chars`."""
    progress("validation", 0.0, "Checking the text")
    with path.open("rb") as stream:
        content = stream.read(settings.max_chars * _BYTES_PER_CHAR + 1)
    text, charset = decode(content)
    cut = len(text) > settings.max_chars or len(content) > settings.max_chars * _BYTES_PER_CHAR
    text = text[: settings.max_chars]
    progress("validation", 1.0, f"Read {len(text):,} characters")
    return Recognition(
        analysis_type="text",
        text=text,
        segments=[Segment(text)] if text.strip() else [],
        confidence=1.0 if charset.startswith(("utf", "ascii")) else 0.9,
        engine=ENGINE,
        engine_version=ENGINE_VERSION,
        metadata={"charset": charset, "lines": text.count("\n") + 1, "truncated": cut},
    )


def decode(content: bytes) -> tuple[str, str]:
    """Text and the charset it was in; bytes that do not fit become U+FFFD, control characters too."""
    for mark, charset in _MARKS:
        if content.startswith(mark):
            return clean(content.decode(charset, errors="replace")), charset
    # A cut in the middle of a character must not look like another charset.
    for shorter in range(4):
        try:
            return clean(content[: len(content) - shorter].decode("utf-8")), "utf-8"
        except UnicodeDecodeError:
            continue
    best = from_bytes(content[:_DETECTED_FROM]).best()
    charset = best.encoding if best is not None else "cp1252"
    return clean(content.decode(charset, errors="replace")), charset


def clean(text: str) -> str:
    """Without the characters PostgreSQL (NUL), JSON consumers and terminals choke on; line ends become `\\n`."""
    return text.replace("\r\n", "\n").translate(_CLEANED)


_CLEANED: Final = dict.fromkeys((*range(9), 11, *range(14, 32), 127, *range(55296, 57344)), 65533)
