"""One result from the parts of a recording, in their order."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final, TypeVar

from app.files.recognition.result import Recognition, RecognitionSettings, Scalar, Segment, joined, weighted_confidence

K = TypeVar("K")

DETECTOR: Final = "silero-vad"
_TOLD: Final = 20
"""Of a long list, so many entries are told."""


@dataclass(frozen=True, slots=True)
class HeardPart:
    """What was heard in one part; times are seconds in the recording. `passed_over`: engines that could not do it."""

    segments: list[Segment]
    engine: str
    engine_version: str
    language: str | None
    passed_over: list[str]


@dataclass(frozen=True, slots=True)
class MissingPart:
    """A part that could not be transcribed, and why."""

    start_s: float
    end_s: float
    reason: str

    def __str__(self) -> str:
        return f"{_clock(self.start_s)}–{_clock(self.end_s)}: {self.reason}"


def merged(
    parts: Sequence[HeardPart | MissingPart], *, metadata: dict[str, Scalar], limits: RecognitionSettings
) -> Recognition:
    """The engine and language of most of the text stand for the whole; the metadata name all engines.

    A result that lacks parts says so: `partial`, how many seconds are `missing_seconds`, and where (`missing`).
    """
    heard = [part for part in parts if isinstance(part, HeardPart)]
    missing = [part for part in parts if isinstance(part, MissingPart)]
    segments = [segment for part in heard for segment in part.segments]
    kept = segments[: limits.max_segments]
    text, cut = joined(kept, limits.max_chars)
    # Where nobody speaks, it is the detector that says so.
    nobody = (DETECTOR, version("faster-whisper"))
    engine, engine_version = _most([((part.engine, part.engine_version), part) for part in heard]) or nobody
    said: dict[str, Scalar] = {
        **metadata,
        "parts": len(parts),
        "partial": bool(missing),
        "truncated": cut or len(kept) < len(segments),
    }
    if len({(part.engine, part.engine_version) for part in heard}) > 1:
        counts = Counter(f"{part.engine} {part.engine_version}" for part in heard)
        said["engines"] = ", ".join(f"{name}: {count}" for name, count in counts.most_common())
    if passed_over := list(dict.fromkeys(reason for part in heard for reason in part.passed_over)):
        said["engines_passed_over"] = "; ".join(passed_over[:_TOLD])
    if missing:
        said["missing_seconds"] = round(sum(part.end_s - part.start_s for part in missing), 2)
        said["missing"] = "; ".join(str(part) for part in missing[:_TOLD])
    return Recognition(
        analysis_type="transcription",
        text=text,
        segments=kept,
        confidence=weighted_confidence(kept),
        engine=engine,
        engine_version=engine_version,
        language=_most([(part.language, part) for part in heard if part.language]),
        metadata=said,
    )


def _most(named: list[tuple[K, HeardPart]]) -> K | None:
    weights: Counter[K] = Counter()
    for name, part in named:
        weights[name] += 1 + sum(len(segment.text) for segment in part.segments)
    return weights.most_common(1)[0][0] if weights else None


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
