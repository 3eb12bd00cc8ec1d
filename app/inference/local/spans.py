"""Pieces of a text that remember where they stand."""

from dataclasses import dataclass
from typing import Final

MAX_LINES: Final = 50_000


@dataclass(frozen=True, slots=True)
class Span:
    value: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Line:
    text: str
    start: int

    def part(self, start: int, end: int) -> Span:
        """A stripped part of the line as a span of the whole text."""
        piece = self.text[start:end]
        left = len(piece) - len(piece.lstrip())
        stripped = piece.strip()
        first = self.start + start + left
        return Span(stripped, first, first + len(stripped))


def lines_of(text: str) -> list[Line]:
    """At most the first 50,000 lines."""
    lines: list[Line] = []
    start = 0
    for piece in text.split("\n", MAX_LINES)[:MAX_LINES]:
        lines.append(Line(piece, start))
        start += len(piece) + 1
    return lines
