from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from app.files.recognition.sound import Samples
from app.files.recognition.voice import LONGEST_S, SHORTEST_CUT_S, WINDOW, Span, Spans, speech_pieces
from tests.files.speech.conftest import voice

SECOND = 16_000


def spans(*levels: tuple[float, float]) -> list[Span]:
    """Of (seconds, probability of speech), one after another."""
    machine = Spans()
    found: list[Span | None] = []
    for seconds, probability in levels:
        found += [machine.push(probability) for _ in range(int(seconds * SECOND / WINDOW))]
    return [span for span in (*found, machine.close()) if span is not None]


def seconds(span: Span) -> tuple[float, float]:
    return round(span.start * WINDOW / SECOND, 1), round(span.end * WINDOW / SECOND, 1)


def blocks(samples: Samples, size: int = 1000) -> Iterator[Samples]:
    for start in range(0, len(samples), size):
        yield samples[start : start + size]


def test_a_pause_ends_a_span_and_a_breath_does_not() -> None:
    found = spans((1, 0.1), (3, 0.9), (0.3, 0.1), (2, 0.9), (1, 0.1), (1, 0.9))
    assert [seconds(span) for span in found] == [(1.0, 6.2), (7.2, 8.2)]


def test_what_is_hardly_speech_goes_on_with_it_but_does_not_begin_it() -> None:
    assert spans((2, 0.4)) == []
    assert [seconds(span) for span in spans((1, 0.9), (2, 0.4), (1, 0.9))] == [(0.0, 4.0)]


def test_a_click_is_no_speech() -> None:
    assert spans((1, 0.0), (0.04, 0.9), (2, 0.0)) == []


def test_speech_without_a_pause_is_cut_where_it_is_quietest() -> None:
    first, second = spans((23, 0.95), (0.4, 0.36), (15, 0.95))
    assert first.cut
    assert 23.0 <= first.end * WINDOW / SECOND <= 23.5
    assert (second.start, second.cut) == (first.end, False)


@pytest.mark.parametrize("size", [160, 4096, 700_000])
def test_pieces_are_the_same_however_the_sound_comes(size: int) -> None:
    recording = np.concatenate([np.zeros(40 * SECOND, np.int16), voice(), np.zeros(50 * SECOND, np.int16), voice()])
    first, second = speech_pieces(blocks(recording, size))
    assert 39.0 < first.start_s < 40.5
    assert first.seconds < 5.5
    assert second.start + len(second.samples) == len(recording)
    for piece in (first, second):
        assert np.array_equal(piece.samples, recording[piece.start : piece.start + len(piece.samples)])


def test_long_speech_is_cut_into_pieces_without_loss_or_overlap() -> None:
    recording = np.tile(voice(), 18)
    pieces = list(speech_pieces(blocks(recording)))
    assert len(pieces) >= 3
    assert all(piece.seconds <= LONGEST_S for piece in pieces)
    assert all(piece.seconds >= SHORTEST_CUT_S - 5 for piece in pieces[:-1])
    for before, after in pairwise(pieces):
        gap = after.start - (before.start + len(before.samples))
        assert 0 <= gap < SECOND


def test_noise_and_silence_are_no_speech() -> None:
    noise = (np.random.default_rng(7).standard_normal(10 * SECOND) * 800).astype(np.int16)
    assert list(speech_pieces(blocks(noise))) == []
    assert list(speech_pieces(blocks(np.zeros(10 * SECOND, np.int16)))) == []
    assert list(speech_pieces(iter(()))) == []
