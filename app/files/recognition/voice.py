"""Where somebody speaks: Silero's voice activity detector, whose ONNX model is in faster-whisper's wheel, as a stream.

Speech is cut into pieces at its pauses; silence between pieces is left out, so that no engine is paid for it. Memory
does not grow with the length of a recording.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from faster_whisper.vad import get_vad_model
from numpy.typing import NDArray

from app.files.recognition.result import SAMPLE_RATE
from app.files.recognition.sound import Pcm, Samples

WINDOW: Final = 512
"""Samples that the detector judges at a time: 32 ms."""
LONGEST_S: Final = 28.0
"""Whisper looks at 30 s at a time."""
SHORTEST_CUT_S: Final = 20.0
"""Speech without a pause is cut where it is quietest after so long, before `LONGEST_S`."""

_CONTEXT: Final = 64
_SPOKEN: Final = 0.5
_STILL_SPOKEN: Final = 0.35
_BATCH: Final = 30 * SAMPLE_RATE


def _windows(seconds: float) -> int:
    return int(seconds * SAMPLE_RATE / WINDOW)


_PAUSE: Final = _windows(0.6)
_MARGIN: Final = _windows(0.25)
"""What is kept before and after speech; twice so much is less than a pause, so that margins never overlap."""
_LEFT_OUT: Final = _windows(2.0)
"""Longer silence ends a piece; shorter is kept in it."""
_LEAST: Final = 3
_LONGEST: Final = _windows(LONGEST_S) - 2 * _MARGIN
_SHORTEST_CUT: Final = _windows(SHORTEST_CUT_S)
_SMOOTHED: Final = np.ones(9) / 9


class Span(NamedTuple):
    """Windows from `start` to `end`, exclusive. `cut`: it ends within speech, for it grew too long."""

    start: int
    end: int
    cut: bool = False


class VoiceDetector:
    """Keeps its state from call to call."""

    def __init__(self) -> None:
        self._session = get_vad_model().session
        self._hidden = np.zeros((1, 1, 128), np.float32)
        self._cell = np.zeros((1, 1, 128), np.float32)
        self._before = np.zeros((1, _CONTEXT), np.float32)

    def probabilities(self, samples: Samples) -> NDArray[np.float32]:
        """Of speech in each window of `samples`, of which there must be a multiple of `WINDOW`."""
        windows = samples.astype(np.float32).reshape(-1, WINDOW) / 32768.0
        before = np.concatenate([self._before, windows[:-1, -_CONTEXT:]])
        self._before = windows[-1:, -_CONTEXT:]
        found, self._hidden, self._cell = self._session.run(
            None, {"input": np.concatenate([before, windows], axis=1), "h": self._hidden, "c": self._cell}
        )
        probabilities: NDArray[np.float32] = found
        return probabilities


class Spans:
    """From probabilities, window by window, to spans of speech."""

    def __init__(self) -> None:
        self.at = 0
        self.open: int | None = None
        self._last = 0
        self._since: list[float] = []

    def push(self, probability: float) -> Span | None:
        """The span that ends here, if one does."""
        at = self.at
        self.at += 1
        if self.open is None:
            if probability < _SPOKEN:
                return None
            self.open, self._since = at, []
        self._since.append(probability)
        if probability >= _STILL_SPOKEN:
            self._last = at
        if at - self._last >= _PAUSE:
            return self.close()
        return self._cut(self.open) if at + 1 - self.open >= _LONGEST else None

    def close(self) -> Span | None:
        if self.open is None:
            return None
        span, self.open = Span(self.open, self._last + 1), None
        # A click is no word.
        return span if span.end - span.start >= _LEAST else None

    def _cut(self, opened: int) -> Span:
        level = np.convolve(self._since, _SMOOTHED, mode="same")
        length = _SHORTEST_CUT + int(np.argmin(level[_SHORTEST_CUT:]))
        span = Span(opened, opened + length, cut=True)
        self.open, self._since = span.end, self._since[length:]
        self._last = max(self._last, span.end)
        return span


def speech_pieces(blocks: Iterator[Samples]) -> Iterator[Pcm]:
    """Pieces of at most 28 s with speech in them, in order and without overlap."""
    detector, spans, cutter = VoiceDetector(), Spans(), _Cutter()
    for batch in _batched(blocks):
        cutter.take(batch)
        padded = np.pad(batch, (0, -len(batch) % WINDOW))
        for probability in detector.probabilities(padded):
            if (span := spans.push(float(probability))) is not None:
                yield from cutter.add(span)
        if spans.open is None:
            yield from cutter.rest(spans.at)
        cutter.forget(spans.at if spans.open is None else spans.open)
    if (span := spans.close()) is not None:
        yield from cutter.add(span)
    yield from cutter.flush()


class _Cutter:
    """Joins spans to pieces, and holds the samples of those that are not complete."""

    def __init__(self) -> None:
        self._held: Samples = np.zeros(0, np.int16)
        self._base = self._done = 0
        self._joined: Span | None = None

    def take(self, samples: Samples) -> None:
        self._held = np.concatenate([self._held, samples])

    def add(self, span: Span) -> Iterator[Pcm]:
        joined = self._joined
        if joined is None:
            self._joined = span
        elif span.start - joined.end <= _LEFT_OUT and span.end - joined.start <= _LONGEST:
            self._joined = Span(joined.start, span.end, span.cut)
        else:
            yield from self.flush()
            self._joined = span

    def rest(self, at: int) -> Iterator[Pcm]:
        """Nobody speaks at window `at`."""
        if self._joined is not None and at - self._joined.end > _LEFT_OUT:
            yield from self.flush()

    def flush(self) -> Iterator[Pcm]:
        if (joined := self._joined) is None:
            return
        self._joined = None
        start = max((joined.start - _MARGIN) * WINDOW, self._done)
        end = (joined.end if joined.cut else joined.end + _MARGIN) * WINDOW
        end = min(end, self._base + len(self._held))
        self._done = end
        yield Pcm(start, self._held[start - self._base : end - self._base].copy())

    def forget(self, at: int) -> None:
        """Samples before window `at` are needed for what is joined only."""
        first = at if self._joined is None else self._joined.start
        before = max(0, (first - _MARGIN) * WINDOW - self._base)
        self._held, self._base = self._held[before:], self._base + min(before, len(self._held))


def _batched(blocks: Iterator[Samples]) -> Iterator[Samples]:
    """A multiple of `WINDOW` at a time, but for the last."""
    kept: list[Samples] = []
    held = 0
    for block in blocks:
        kept.append(block)
        held += len(block)
        if held >= _BATCH:
            whole = np.concatenate(kept)
            length = held - held % WINDOW
            yield whole[:length]
            kept, held = [whole[length:]], held - length
    if held:
        yield np.concatenate(kept)
