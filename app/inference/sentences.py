"""Where sentences end, in text of any kind: prose, lists, tables, logs, and lines that were wrapped to a width."""

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Final

_END: Final = re.compile(r"(?<=[.!?。！？])[\"')\]]*\s+|\n+")
_STOPS: Final = re.compile(r"(?:[.!?:;|。！？][\"')\]]*| {2})$")
_OPENS: Final = re.compile(r"\s*(?:[-*+•>|#]|\d{1,3}[.)]\s|```|~~~)")
_WHOLE: Final = re.compile(r"[ \t]*(?:#{1,6}[ \t]|\||\d{1,3}\.$)")
"""A heading and a row of a table are one sentence, and so is an item with its number."""
_SHORT: Final = re.compile(
    r"(?:\b(?:e\.g|i\.e|cf|vs|approx|incl|resp|Fig|Dr|Mrs?|Prof|z\. ?B|d\. ?h|u\. ?a|bzw|ca|Nr|p\. ?ej)"
    r"|(?<![\w.])[a-z])\.$"
)
"""Abbreviations after which a sentence goes on."""
FENCE: Final = re.compile(r"[ \t]*(?:```|~~~)(.*)")
_COMMAND: Final = re.compile(r"[\\{};]$|\s--?\w|^\s*(?:at \S+\(|\w+=|\$ )")
NARROWEST, WIDEST = 60, 140
"""Characters to which text is wrapped: lines of lists and forms are shorter, unwrapped paragraphs longer."""
_MOST, _NEAR = 0.5, 0.8


def sentences(
    text: str, start: int = 0, end: int | None = None, *, abbreviations: bool = True
) -> Iterator[tuple[int, int]]:
    """Spans of sentences, or of lines, without the white space around them. Lines that only wrap are read on, and so is
    what has an abbreviation in it, unless a text is only to be cut somewhere (`abbreviations` False)."""
    stop = len(text) if end is None else end
    wraps = set(_wraps(text[start:stop], start))
    ends = [
        match.span() for match in _END.finditer(text, start, stop) if _is_end(text, start, match, wraps, abbreviations)
    ]
    for last, after in [*ends, (stop, stop)]:
        piece = text[start:last]
        if bare := piece.strip():
            first = start + len(piece) - len(piece.lstrip())
            yield first, first + len(bare)
        start = after


def fenced(lines: Sequence[str]) -> list[bool]:
    """Which lines are code between fences, the fences among them; a piece of a text may begin inside of some."""
    fences = [match[1].strip() for line in lines if (match := FENCE.match(line)) is not None]
    inside = len(fences) % 2 == 1 and not fences[0]
    found = []
    for line in lines:
        turns = FENCE.match(line) is not None
        found.append(inside or turns)
        inside ^= turns
    return found


def _is_end(text: str, start: int, match: re.Match[str], wraps: set[int], abbreviations: bool) -> bool:
    if match.start() in wraps:
        return False
    before = text[max(text.rfind("\n", start, match.start()) + 1, start) : match.start()]
    if abbreviations and match[0].count("\n") <= 1 and _SHORT.search(before[-12:]):
        return False
    return "\n" in match[0] or _WHOLE.match(before) is None


def _wraps(text: str, at: int) -> Iterator[int]:
    """Line breaks where the sentence goes on: where the next word had no room any more, as the longest line of the
    paragraph shows, and before a word that begins no sentence."""
    paragraph: list[str] = []
    lines = text.split("\n")
    for line, code in [*zip(lines, fenced(lines), strict=True), ("", False)]:
        if line.strip() and not code:
            paragraph.append(line)
            continue
        width = _width(paragraph)
        for before, behind in itertools.zip_longest(paragraph, paragraph[1:], fillvalue=""):
            at += len(before) + 1
            if _goes_on(before, behind, width):
                yield at - 1
        paragraph = []
        at += len(line) + 1


def _width(lines: Sequence[str]) -> int:
    """To which they were wrapped, 0 if they were not. A line with a word that has no room anywhere may stand out."""
    lengths = [len(line.rstrip()) for line in lines]
    width = max((length for length in lengths if length <= WIDEST), default=0)
    near = sum(_NEAR * width <= length <= width for length in lengths[:-1])
    if width < NARROWEST or (max(lengths) > WIDEST and near <= _MOST * len(lengths)):
        return 0
    return width


def _goes_on(before: str, behind: str, width: int) -> bool:
    if not behind or _STOPS.search(before[-20:]) or _OPENS.match(behind) or _WHOLE.match(before):
        return False
    long = len(before.rstrip())
    if width and long + 1 + len(behind.split(maxsplit=1)[0]) > width:
        return True
    first = behind.lstrip(" ")[:1]
    small = (first.islower() or first == "(") and long >= NARROWEST
    return small and not _COMMAND.search(before) and not _COMMAND.search(behind)
