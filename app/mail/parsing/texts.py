"""Bytes to text that can be stored: any charset, or none; HTML without its looks."""

import codecs
import re
from email.header import decode_header
from typing import Final

from lxml import etree

TEXT_CHARS: Final = 500_000
HTML_CHARS: Final = 1_000_000

# Python's other codecs are no charsets of mail, and some take time that grows with the square of the length.
_CHARSETS: Final = re.compile(
    r"(utf|iso8859|iso2022|cp|windows|koi8|gb|big5|euc|shift|mac|ascii|latin|hz|tis|johab|kz1048|ptcp)[a-z0-9_-]*"
)
_WIDER: Final = {"ascii": "utf-8", "iso8859-1": "cp1252", "gb2312": "gb18030", "gbk": "gb18030"}
"""What says the first is often the second, which holds all of it."""
_FORBIDDEN: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BLANK_LINES: Final = re.compile(r"\n[ \t]*\n[ \t]*(?:\n[ \t]*)+")

_UNSHOWN: Final = frozenset(["script", "style", "title", "template", "noscript", "svg", "object", "iframe"])
# fmt: off
_BLOCKS: Final = frozenset([
    "address", "article", "aside", "blockquote", "center", "div", "dl", "dd", "dt", "fieldset", "footer", "form", "h1",
    "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section", "table", "tr", "ul",
])
# fmt: on
_SPACE: Final = re.compile(r"\s+")
_TAG: Final = re.compile(r"<[^<>]{0,2000}>")


def storable(text: str) -> str:
    """Without NUL and half characters, with plain ends of lines."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    return _FORBIDDEN.sub("", plain).encode("utf-8", "replace").decode()


def decoded(content: bytes, charset: str | None) -> str:
    """Never fails: first as told, then as UTF-8, then as Windows' Latin, which most unlabelled text is."""
    for name in (charset, "utf-8"):
        known = _known(name)
        if known is None:
            continue
        try:
            return storable(content.decode(known))
        except (UnicodeError, ValueError, LookupError):
            continue
    return storable(content.decode("cp1252", "replace"))


def _known(charset: str | None) -> str | None:
    if not charset or len(charset) > 40 or not charset.isascii():
        return None
    try:
        name = codecs.lookup(charset.strip("\"' ")).name
    except (LookupError, ValueError):
        return None
    return _WIDER.get(name, name) if _CHARSETS.fullmatch(name) else None


def header_text(value: str, *, most: int) -> str:
    """Encoded words (RFC 2047) as what they say, on one line."""
    try:
        words = [
            part if isinstance(part, str) else decoded(part, charset)
            for part, charset in decode_header(value[: 4 * most])
        ]
    except Exception:  # noqa: BLE001 - a broken word is shown as it came; the parser names no errors of its own
        words = [value]
    return " ".join(storable("".join(words)).split())[:most]


def text_of_html(html: str) -> str:
    """What a reader would see, in lines; what was quoted begins with ">". Nothing is loaded."""
    reader = _Reader()
    parser = etree.HTMLParser(target=reader, encoding="utf-8", huge_tree=True, no_network=True)
    try:
        parser.feed(html[:HTML_CHARS].encode("utf-8", "replace"))
        parser.close()
    except (etree.LxmlError, ValueError, AssertionError):
        reader.pieces.clear()
    lines = [
        "> " * (len(quote) // 2) + " ".join(rest.split())
        for quote, rest in map(_split, "".join(reader.pieces).split("\n"))
    ]
    # What is no HTML at all is read as it stands.
    return tidy("\n".join(lines)) or tidy(_TAG.sub(" ", html[:HTML_CHARS]))


class _Reader:
    """Is told of tags and text as they come; no tree is made, however deep they nest."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self._quotes = 0
        self._unshown = 0

    def start(self, tag: str, _attributes: object) -> None:
        self._unshown += tag in _UNSHOWN
        self._quotes += tag == "blockquote"
        if tag in _BLOCKS or tag == "br":
            self._break("- " if tag == "li" else "")
        elif tag in ("td", "th"):
            self.pieces.append(" ")

    def end(self, tag: str) -> None:
        self._unshown = max(0, self._unshown - (tag in _UNSHOWN))
        self._quotes = max(0, self._quotes - (tag == "blockquote"))
        if tag in _BLOCKS:
            self._break()

    def data(self, text: str) -> None:
        if not self._unshown:
            self.pieces.append(_SPACE.sub(" ", text))

    def comment(self, _text: str) -> None:
        """Unseen."""

    def close(self) -> None:
        """The parser asks for it."""

    def _break(self, mark: str = "") -> None:
        self.pieces.append("\n" + "> " * min(self._quotes, 5) + mark)


def _split(line: str) -> tuple[str, str]:
    match = re.match(r"(?:> )*", line)
    end = match.end() if match else 0
    return line[:end], line[end:]


def tidy(text: str) -> str:
    return _BLANK_LINES.sub("\n\n", storable(text)).strip()[:TEXT_CHARS]
