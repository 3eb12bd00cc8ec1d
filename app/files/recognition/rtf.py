"""RTF to text: groups, control words, hex and Unicode escapes (RTF 1.9.1), without formatting."""

import re
from typing import Final

_TOKEN: Final = re.compile(
    rb"\\(?P<word>[a-z]{1,32})(?P<number>-?\d{1,10})? ?"
    rb"|\\'(?P<hex>[0-9a-fA-F]{2})|\\(?P<symbol>[^a-z])|(?P<brace>[{}])|[\r\n]+|(?P<plain>[^\\{}\r\n]+)"
)
# fmt: off
_SKIPPED: Final = frozenset({
    b"fonttbl", b"colortbl", b"datastore", b"themedata", b"stylesheet", b"info", b"pict", b"object", b"listtable",
    b"listoverridetable", b"rsidtbl", b"generator", b"header", b"footer", b"headerl", b"headerr", b"footerl",
    b"footerr", b"filetbl", b"revtbl", b"xmlnstbl", b"latentstyles", b"fldinst", b"bkmkstart", b"bkmkend",
})
_WORDS: Final = {
    b"par": "\n", b"line": "\n", b"row": "\n", b"tab": "\t", b"cell": "\t", b"page": "\n", b"sect": "\n",
    b"emdash": "—", b"endash": "–", b"bullet": "•", b"lquote": "‘", b"rquote": "’", b"ldblquote": "“",
    b"rdblquote": "”",
}
# fmt: on
_SYMBOLS: Final = {b"~": "\u00a0", b"_": "-", b"-": ""}


def rtf_text(content: bytes, max_chars: int) -> str:
    """The visible text, at most `max_chars` characters."""
    reader = _Reader()
    for token in _TOKEN.finditer(content):
        reader.take(token)
        if reader.length > max_chars:
            break
    return "".join(reader.pieces)[:max_chars]


class _Reader:
    """State of one reading: what group we are in, and how many fallback characters follow a `\\u` escape."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.length = 0
        self._groups: list[tuple[bool, int]] = []
        self._skipping = False
        self._fallback = 1
        self._pending = 0
        self._codepage = "cp1252"

    def take(self, token: re.Match[bytes]) -> None:
        if token["brace"]:
            self._brace(token["brace"])
        elif token["word"]:
            self._word(token["word"], int(token["number"]) if token["number"] else None)
        elif token["symbol"] == b"*":
            self._skipping = True
        elif token["symbol"]:
            self._add(_SYMBOLS.get(token["symbol"], token["symbol"].decode("latin-1")))
        elif token["hex"]:
            self._add(self._decoded(bytes([int(token["hex"], 16)])))
        elif token["plain"]:
            self._add(self._decoded(token["plain"]))

    def _brace(self, brace: bytes) -> None:
        if brace == b"{":
            self._groups.append((self._skipping, self._fallback))
        else:
            self._skipping, self._fallback = self._groups.pop() if self._groups else (False, 1)

    def _word(self, word: bytes, number: int | None) -> None:
        if word == b"ansicpg" and number:
            self._codepage = f"cp{number}"
        elif word == b"uc" and number is not None:
            self._fallback = max(0, number)
        elif word == b"u" and number is not None:
            self._pending = 0
            code = number % 0x10000
            self._add("\ufffd" if 0xD800 <= code < 0xE000 else chr(code))
            self._pending = self._fallback
        elif word in _SKIPPED:
            self._skipping = True
        else:
            self._add(_WORDS.get(word, ""))

    def _add(self, text: str) -> None:
        skipped = min(self._pending, len(text))
        self._pending -= skipped
        if not self._skipping:
            self.pieces.append(text[skipped:])
            self.length += len(text) - skipped

    def _decoded(self, content: bytes) -> str:
        try:
            return content.decode(self._codepage, errors="replace")
        except LookupError:
            return content.decode("cp1252", errors="replace")
