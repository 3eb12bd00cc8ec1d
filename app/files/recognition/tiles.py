"""Tall pictures in overlapping bands, and the lines read in the bands as lines of the whole, each once."""

import itertools
from typing import Final, NamedTuple

from app.files.recognition.result import Box, Segment

OVERLAP: Final = 200
"""Rows that neighbours share, in pixels of the scaled picture: a line up to so tall is whole in one of them."""

_PIXELS_AT_ONCE: Final = 6_000_000
"""Detection takes about 150 bytes of memory for each."""
_SLACK: Final = OVERLAP / 8
"""Two readings of one line may place its middle so differently."""
_MOSTLY: Final = 0.5


class Band(NamedTuple):
    """Rows `top` to `bottom` (exclusive); the lines whose middle lies from `first` to `last` belong to it."""

    top: int
    bottom: int
    first: float
    last: float


def bands(width: int, height: int, *, max_side: int) -> list[Band]:
    """One for a picture that can be read at once, else as many as it takes, all of one height."""
    tallest = max(2 * OVERLAP, min(max_side, _PIXELS_AT_ONCE // max(1, width)))
    if height <= tallest:
        return [Band(0, height, 0.0, float(height))]
    # One row less, since the cuts are rounded.
    count = -(-(height - OVERLAP) // (tallest - 1 - OVERLAP))
    step = (height - OVERLAP) / count
    tops = [round(number * step) for number in range(count + 1)]
    return [
        Band(
            top,
            below + OVERLAP,
            0.0 if top == 0 else top + OVERLAP / 2,
            float(height) if below == tops[-1] else below + OVERLAP / 2,
        )
        for top, below in itertools.pairwise(tops)
    ]


def joined_bands(read: list[tuple[Band, list[Segment]]]) -> list[Segment]:
    """All lines from top to bottom, boxes in rows of the whole; of two readings of one line the longer is kept."""
    whole: list[Segment] = []
    for band, lines in read:
        near = [line for line in whole if _middle(line) >= band.first - 2 * _SLACK]
        for line in (_moved(line, band.top) for line in lines):
            if not _belongs(line, band):
                continue
            if _middle(line) > band.first + _SLACK:
                whole.append(line)
            else:
                _put_in(whole, line, near)
    return whole


def _put_in(whole: list[Segment], line: Segment, near: list[Segment]) -> None:
    """A line at a seam: into its place among those `near`, unless the band above has read it too, and not shorter."""
    rivals = [other for other in near if _same(line, other)]
    if any(_length(other) >= _length(line) for other in rivals):
        return
    below = next((other for other in near if _top(other) > _middle(line)), None)
    whole.insert(len(whole) if below is None else whole.index(below), line)
    for other in rivals:
        whole.remove(other)
        near.remove(other)


def _belongs(line: Segment, band: Band) -> bool:
    return line.box is None or band.first - _SLACK <= _middle(line) <= band.last + _SLACK


def _moved(line: Segment, down: int) -> Segment:
    if line.box is None or down == 0:
        return line
    a, b, c, d = ((x, y + down) for x, y in line.box)
    return Segment(line.text, line.confidence, page=line.page, box=(a, b, c, d))


def _edges(box: Box) -> tuple[float, float, float, float]:
    across, down = [x for x, _ in box], [y for _, y in box]
    return min(across), min(down), max(across), max(down)


def _top(line: Segment) -> float:
    return 0.0 if line.box is None else _edges(line.box)[1]


def _middle(line: Segment) -> float:
    if line.box is None:
        return 0.0
    _, top, _, bottom = _edges(line.box)
    return (top + bottom) / 2


def _length(line: Segment) -> float:
    if line.box is None:
        return 0.0
    left, _, right, _ = _edges(line.box)
    return right - left


def _same(one: Segment, other: Segment) -> bool:
    """Whether the smaller box lies mostly in the larger."""
    if one.box is None or other.box is None:
        return False
    (a, b, c, d), (e, f, g, h) = _edges(one.box), _edges(other.box)
    shared = max(0.0, min(c, g) - max(a, e)) * max(0.0, min(d, h) - max(b, f))
    return shared > _MOSTLY * min((c - a) * (d - b), (g - e) * (h - f))
