"""Where sentences end, in text of any kind: prose, lists, logs, and lines that were wrapped to a width."""

import itertools
import re
from collections.abc import Iterator
from typing import Final

_END: Final = re.compile(r"(?<=[.!?。！？])[\"')\]]*\s+|\n+")
_STOPS: Final = re.compile(r"(?:[.!?:;|。！？][\"')\]]*| {2})$")
_OPENS: Final = re.compile(r"\s*(?:[-*+•>|#]|\d{1,3}[.)]\s|```|~~~)")
NARROWEST, WIDEST = 60, 140
"""Characters to which text is wrapped: lines of lists and forms are shorter, unwrapped paragraphs longer."""


def sentences(text: str, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
    """Spans of sentences, or of lines, without the white space around them. Lines that only wrap are read on."""
    stop = len(text) if end is None else end
    wraps = set(_wraps(text[start:stop], start))
    ends = [match.span() for match in _END.finditer(text, start, stop) if match.start() not in wraps]
    for last, after in [*ends, (stop, stop)]:
        piece = text[start:last]
        if bare := piece.strip():
            first = start + len(piece) - len(piece.lstrip())
            yield first, first + len(bare)
        start = after


def _wraps(text: str, at: int) -> Iterator[int]:
    """Line breaks where the next word had no room any more, as the longest line of the paragraph shows."""
    paragraph: list[str] = []
    for line in [*text.split("\n"), ""]:
        if line.strip():
            paragraph.append(line)
            continue
        width = max((len(one.rstrip()) for one in paragraph), default=0)
        for before, behind in itertools.zip_longest(paragraph, paragraph[1:], fillvalue=""):
            at += len(before) + 1
            if NARROWEST <= width <= WIDEST and _goes_on(before, behind, width):
                yield at - 1
        paragraph = []
        at += len(line) + 1


def _goes_on(before: str, behind: str, width: int) -> bool:
    if not behind or _STOPS.search(before[-20:]) or _OPENS.match(behind):
        return False
    return len(before.rstrip()) + 1 + len(behind.split(maxsplit=1)[0]) > width
