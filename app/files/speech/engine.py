"""The port: a clip goes in, what was said comes out, with times and confidence."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Final, Protocol

from app.files.recognition.result import SAMPLE_RATE, Progress

MIME: Final = "audio/flac"


@dataclass(frozen=True)
class Clip:
    """FLAC (16 kHz, mono) at `path`: pieces of a recording, as (first sample in the recording, how many).

    `name` is the clip's own, and the same at every attempt.
    """

    name: str
    path: Path
    pieces: Sequence[tuple[int, int]]
    _ends: list[int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_ends", list(accumulate(count for _, count in self.pieces)))

    @property
    def seconds(self) -> float:
        return self._ends[-1] / SAMPLE_RATE if self._ends else 0.0

    def in_recording(self, start: float, end: float) -> tuple[float, float]:
        """From seconds in the clip to seconds in the recording. What lies outside the clip is moved to its edge."""
        first, last = self._sample(start), self._sample(end)
        begin = self._place(first, min(bisect_right(self._ends, first), len(self._ends) - 1))
        finish = self._place(last, min(bisect_left(self._ends, last), len(self._ends) - 1))
        return round(begin, 2), round(max(begin, finish), 2)

    def _sample(self, seconds: float) -> int:
        return min(max(0, round(seconds * SAMPLE_RATE)), self._ends[-1])

    def _place(self, sample: int, piece: int) -> float:
        start, count = self.pieces[piece]
        return (start + sample - (self._ends[piece] - count)) / SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class Heard:
    """One passage: seconds within the clip, and how sure the engine is, 0..1."""

    start: float
    end: float
    text: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Transcript:
    """`passages` in order; none means that nothing was said. `language` is ISO 639-1 where it has one."""

    engine: str
    version: str
    language: str | None
    passages: list[Heard]


class SpeechEngine(Protocol):
    name: str
    remote: bool

    async def transcribe(self, clip: Clip, progress: Progress) -> Transcript:
        """
        Raises:
            SpeechUnavailable (also SpeechRateLimited, SpeechUnauthorised), SpeechRejected.
        """
        ...
