"""Cutting a document into passages along its own lines: headings, paragraphs and list items, then sentences.

A passage is a span of the text, never a rewritten copy: `text[start:end]` is what a citation shows.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from app.inference.sentences import sentences

TARGET_CHARS = 900
"""What the sentence model reads of a passage (256 word pieces) is about so long."""
OVERLAP_CHARS = 150
"""A sentence that belongs to two passages is found with either; more would only cost."""
SMALL_CHARS = 250
"""A section shorter than this stays with the one behind it."""
HEADING_CHARS = 200

_HEADING = re.compile(r"(#{1,6})[ \t]+(.+?)[ \t#]*$")
_ITEM = re.compile(r"[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t]+\S")
_FENCE = re.compile(r"[ \t]*(?:```|~~~)")
_SPACE = re.compile(r"\s")
Cut = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Passage:
    """`text[start:end]`; `headings` are those it stands under, the outermost first."""

    start: int
    end: int
    headings: tuple[str, ...] = ()


@dataclass(slots=True)
class _Block:
    start: int
    end: int
    headings: tuple[str, ...]
    opens: bool = False
    """It is a heading: a passage rather begins here."""


def passages(text: str, *, target: int = TARGET_CHARS, overlap: int = OVERLAP_CHARS) -> list[Passage]:
    """In the order of the text; every character that is no white space is in at least one of them."""
    found: list[Passage] = []
    held: list[_Block] = []
    for block in _pieces(text, target):
        size = block.end - held[0].start if held else 0
        full = size > target
        turns = block.opens and held and held[-1].end - held[0].start >= SMALL_CHARS and not held[-1].opens
        if held and (full or turns):
            found.append(_passage(held))
            held = [] if turns else _tail(held, overlap)
            if held and block.end - held[0].start > target:
                held = []
        held.append(block)
    if held:
        found.append(_passage(held))
    return found


def _passage(held: list[_Block]) -> Passage:
    return Passage(held[0].start, held[-1].end, held[-1].headings)


def _tail(held: list[_Block], overlap: int) -> list[_Block]:
    kept: list[_Block] = []
    for block in reversed(held):
        if block.opens or held[-1].end - block.start > overlap or block.headings != held[-1].headings:
            break
        kept.insert(0, block)
    return kept


def _pieces(text: str, target: int) -> Iterator[_Block]:
    """Blocks, none longer than `target`; long ones fall into sentences, long sentences into words."""
    for block in _blocks(text):
        if block.end - block.start <= target:
            yield block
            continue
        opens = block.opens
        for start, end in sentences(text, block.start, block.end, abbreviations=False):
            for first, last in _words(text, start, end, target):
                yield _Block(first, last, block.headings, opens)
                opens = False


def _words(text: str, start: int, end: int, target: int) -> Iterator[Cut]:
    while end - start > target:
        at = next(
            (place for place in range(start + target, start + target // 2, -1) if _SPACE.match(text, place)), None
        )
        stop = start + target if at is None else at
        if (cut := _trimmed(text, start, stop)) is not None:
            yield cut
        start = stop
    if (cut := _trimmed(text, start, end)) is not None:
        yield cut


def _blocks(text: str) -> Iterator[_Block]:
    """Headings, paragraphs, list items, fenced code: what the text itself holds together."""
    trail: list[tuple[int, str]] = []
    headings: tuple[str, ...] = ()
    start: int | None = None
    last = at = 0
    fenced = False
    for line in text.splitlines(keepends=True):
        begin, at = at, at + len(line)
        bare = line.strip()
        heading = None if fenced else _HEADING.match(line.rstrip())
        ends = not bare and not fenced
        breaks = heading is not None or (
            not fenced and (_ITEM.match(line) is not None or _FENCE.match(line) is not None)
        )
        if start is not None and (ends or breaks):
            yield _Block(start, last, headings)
            start = None
        if bare:
            start = begin + line.index(bare[0]) if start is None else start
            last = begin + len(line.rstrip())
        if heading is not None and start is not None:
            depth = len(heading[1])
            trail = [*((level, name) for level, name in trail if level < depth), (depth, heading[2][:HEADING_CHARS])]
            headings = tuple(name for _, name in trail)
            yield _Block(start, last, headings, opens=True)
            start = None
        elif _FENCE.match(line):
            fenced = not fenced
    if start is not None:
        yield _Block(start, last, headings)


def _trimmed(text: str, start: int, end: int) -> Cut | None:
    piece = text[start:end]
    bare = piece.strip()
    if not bare:
        return None
    start += len(piece) - len(piece.lstrip())
    return start, start + len(bare)
