"""What a recognition takes and gives: plain data that crosses a process boundary as JSON."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

Stage = Literal["validation", "ocr", "transcription"]
Progress = Callable[[Stage, float, str], None]
"""`progress(stage, fraction, message)`: the fraction of this stage that is done, 0..1."""

SAMPLE_RATE: Final = 16_000
"""Of decoded sound."""
Scalar = str | int | float | bool | None
Box = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]


@dataclass(frozen=True, slots=True)
class RecognitionSettings:
    """Limits and engines. Threads are per engine; a worker runs one recognition per process."""

    max_pixels: int = 100_000_000
    max_side: int = 3000
    max_chars: int = 2_000_000
    max_pages: int = 300
    max_segments: int = 20_000
    max_expanded_bytes: int = 512 * 1024 * 1024
    max_media_seconds: float = 4 * 3600.0
    memory_bytes: int = 3 * 1024**3
    low_confidence_below: float = 0.7
    threads: int = 1
    whisper_model: str | None = None
    whisper_compute_type: str = "int8"
    language: str | None = None
    part_seconds: float = 300.0


@dataclass(frozen=True, slots=True)
class Segment:
    """One line, page or passage. `confidence` is None where there is nothing to doubt (a text layer).

    `page` counts from 1; `start_s` and `end_s` are seconds; `box` is four corners in pixels of the original
    picture (of the rendered page, for a PDF), clockwise from the top left of the text.
    """

    text: str
    confidence: float | None = None
    page: int | None = None
    start_s: float | None = None
    end_s: float | None = None
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class Recognition:
    """A finished reading. Empty `text` means that there was nothing to read, which is a result too."""

    analysis_type: Literal["ocr", "transcription", "document", "text", "archive"]
    text: str
    segments: list[Segment]
    confidence: float | None
    engine: str
    engine_version: str
    language: str | None = None
    metadata: dict[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RecordingPart:
    """FLAC at `path` with pieces of the recording one after another: (first sample in the recording, how many)."""

    path: str
    pieces: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class CutRecording:
    """A recording's speech, in order. No part: nobody speaks in it."""

    metadata: dict[str, Scalar]
    parts: list[RecordingPart]


class RecognitionFailed(Exception):
    """The file cannot be read, and trying again would not help. `reason` is a sentence for its uploader."""

    hostile = False

    def __init__(self, reason: str, stage: Stage) -> None:
        super().__init__(reason)
        self.reason = reason
        self.stage: Stage = stage


class Unreadable(RecognitionFailed):
    """Damaged, encrypted, or of a kind that no engine here reads."""


class Hostile(RecognitionFailed):
    """Built to harm whoever opens it: a decompression bomb, an archive that writes outside its folder."""

    hostile = True


def weighted_confidence(segments: list[Segment]) -> float | None:
    """Mean confidence weighted by characters: a long line counts more than a stray mark. None without any."""
    scored = [(segment.confidence, len(segment.text)) for segment in segments if segment.confidence is not None]
    total = sum(length for _, length in scored)
    return round(sum(score * length for score, length in scored) / total, 4) if total else None


def joined(segments: list[Segment], limit: int) -> tuple[str, bool]:
    """The segments' text, a line each, cut at `limit` characters; and whether it was cut."""
    text = "\n".join(segment.text for segment in segments)
    return text[:limit], len(text) > limit
