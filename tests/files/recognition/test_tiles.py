import itertools
import random

import pytest

from app.files.recognition.result import Segment
from app.files.recognition.tiles import OVERLAP, bands, joined_bands


def line(text: str, top: float, *, left: float = 10, right: float = 400, height: float = 20) -> Segment:
    box = ((left, top), (right, top), (right, top + height), (left, top + height))
    return Segment(text, 0.9, box=box)


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (3000, 2000), (30, 3000), (1, 1)])
def test_a_picture_that_can_be_read_at_once_is_not_cut(width: int, height: int) -> None:
    assert bands(width, height, max_side=3000) == [(0, height, 0.0, float(height))]


@pytest.mark.parametrize(
    ("width", "height"), [(1280, 3001), (3000, 2001), (1, 100_000), (1440, 69_444), (3000, 33_333)]
)
def test_a_tall_picture_is_cut_into_bands_that_overlap_and_own_every_row_once(width: int, height: int) -> None:
    cut = bands(width, height, max_side=3000)
    assert (cut[0].top, cut[0].first, cut[-1].bottom, cut[-1].last) == (0, 0.0, height, float(height))
    for above, below in itertools.pairwise(cut):
        assert above.bottom - below.top == OVERLAP
        assert above.last == below.first
        assert below.top < below.first < above.bottom
    assert max(band.bottom - band.top for band in cut) <= 3000
    assert max((band.bottom - band.top) * width for band in cut) <= 6_000_000


@pytest.mark.parametrize("seed", range(20))
def test_each_line_of_a_tall_picture_comes_once_and_in_order(seed: int) -> None:
    """Lines of any height and place, read in every band that shows them a little elsewhere, cut off at its edge."""
    chance = random.Random(seed)
    written: list[tuple[str, float, float]] = []
    top = 0.0
    while top < 9000:
        height = chance.uniform(8, OVERLAP / 2)
        written.append((f"line {len(written)}", top, height))
        top += height + chance.uniform(2, 60)
    read = []
    for band in bands(1000, 9200, max_side=2000):
        seen = []
        for text, at, height in written:
            start, end = max(at, band.top), min(at + height, band.bottom)
            if end - start > 4:
                whole = (start, end) == (at, at + height)
                shift = chance.uniform(-3, 3) * min(1, height / 24)
                shown = text if whole else text[: len(text) // 2]
                seen.append(
                    line(shown, start - band.top + shift, height=end - start, right=400 + chance.uniform(-5, 5))
                )
        read.append((band, seen))
    joined = joined_bands(read)
    assert [one.text for one in joined] == [text for text, _, _ in written]
    for one, (_, at, _) in zip(joined, written, strict=True):
        assert one.box is not None
        assert abs(one.box[0][1] - at) <= 3


def test_of_two_readings_of_a_line_the_longer_is_kept() -> None:
    above, below, *_ = bands(1000, 3500, max_side=2000)
    up, down = below.first - 10, below.first - 10 - below.top
    for first, second in (
        ([line("one two", up)], [line("one", down, right=180), line("two", down, left=200)]),
        ([line("one", up, right=180), line("two", up, left=200)], [line("one two", down)]),
    ):
        assert [one.text for one in joined_bands([(above, first), (below, second)])] == ["one two"]


def test_neighbours_in_a_row_at_the_seam_are_two_lines() -> None:
    above, below, *_ = bands(1000, 3500, max_side=2000)
    left, right = line("left", below.first - 10, right=300), line("right", 90, left=500, right=900)
    assert [one.text for one in joined_bands([(above, [left]), (below, [right])])] == ["left", "right"]
