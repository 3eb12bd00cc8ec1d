"""Recordings: demuxed and decoded with PyAV (FFmpeg in its wheel) to 16 kHz mono, cut at pauses.

FFmpeg may open only the file it is given (no playlist, no network) and only container formats listed here.
Audio is decoded as it is transcribed: memory does not grow with the recording's length.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import av
import av.container
import av.error
import numpy as np
from numpy.typing import NDArray

from app.files.recognition.result import (
    Progress,
    Recognition,
    RecognitionSettings,
    Scalar,
    Segment,
    Unreadable,
    joined,
    weighted_confidence,
)
from app.files.recognition.speech import SpeechEngine, speech_engine

Samples = NDArray[np.int16]

SAMPLE_RATE: Final = 16_000
SHORTEST_CUT_S: Final = 8.0
LONGEST_CUT_S: Final = 25.0
"""Whisper looks at 30 s at a time; a passage is cut at the first pause after 8 s, at the latest after 25 s."""

_PAUSE_WINDOW: Final = SAMPLE_RATE * 3 // 10
_CONTAINERS: Final = (
    "wav,w64,mp3,ogg,flac,aac,aiff,amr,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,asf,mpeg,mpegts,caf,au"
)


@dataclass(frozen=True, slots=True)
class PcmSegment:
    """Mono samples at 16 kHz, and where in the recording they begin (seconds)."""

    start_s: float
    samples: Samples

    @property
    def seconds(self) -> float:
        return len(self.samples) / SAMPLE_RATE


def recognise_media(path: Path, *, settings: RecognitionSettings, progress: Progress) -> Recognition:
    """Transcribe a recording.

    Raises:
        Unreadable: damaged, without an audio stream, without a sample, or longer than allowed.
    """
    progress("validation", 0.0, "Checking the recording")
    with _opened(path) as container:
        metadata = _described(container)
        total = _checked_duration(container, settings.max_media_seconds)
        pcm = _limited(pcm_segments(container), settings.max_media_seconds)
        first = next(pcm, None)
        if first is None:
            raise Unreadable("The recording has no samples: there is nothing to hear.", "validation")
        engine = speech_engine(settings.whisper_model, settings.whisper_compute_type, settings.threads)
        progress("transcription", 0.0, f"Listening with {engine.name}")
        segments, heard = _transcribed(engine, first, pcm, total, progress)
    segments = segments[: settings.max_segments]
    text, cut = joined(segments, settings.max_chars)
    progress("transcription", 1.0, f"Heard {len(segments)} passages" if segments else "Heard no speech")
    return Recognition(
        analysis_type="transcription",
        text=text,
        segments=segments,
        confidence=weighted_confidence(segments),
        engine=engine.name,
        engine_version=engine.version,
        language=engine.language,
        metadata={**metadata, "heard_seconds": round(heard, 3), "truncated": cut},
    )


def pcm_segments(container: av.container.InputContainer) -> Iterator[PcmSegment]:
    """The first audio stream, resampled and cut at pauses.

    Raises:
        Unreadable: there is no audio stream, or decoding fails before any sample came out. A recording that
            breaks off later is transcribed as far as it goes.
    """
    if not container.streams.audio:
        raise Unreadable("The recording has no audio stream.", "validation")
    kept: list[Samples] = []
    held = start = 0
    for samples in _decoded(container):
        kept.append(samples)
        held += len(samples)
        while held >= SHORTEST_CUT_S * SAMPLE_RATE:
            pending = np.concatenate(kept)
            cut = _pause(pending)
            if cut is None:
                kept = [pending]
                break
            yield PcmSegment(start / SAMPLE_RATE, pending[:cut])
            start += cut
            kept, held = [pending[cut:]], len(pending) - cut
    if held:
        yield PcmSegment(start / SAMPLE_RATE, np.concatenate(kept))


def _decoded(container: av.container.InputContainer) -> Iterator[Samples]:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    stream = container.streams.audio[0]
    came = False
    try:
        for frame in container.decode(stream):
            for resampled in resampler.resample(frame):
                came = True
                yield resampled.to_ndarray().reshape(-1).astype(np.int16, copy=False)
        for resampled in resampler.resample(None):
            yield resampled.to_ndarray().reshape(-1).astype(np.int16, copy=False)
    except (av.error.FFmpegError, ValueError, OSError) as error:
        if not came:
            raise Unreadable(f"The audio cannot be decoded: {_said(error)}.", "validation") from error


def _pause(samples: Samples) -> int | None:
    """Where to cut: the quietest 0.3 s between 8 s and 25 s once it is quiet enough or 25 s are full."""
    searched = samples[int(SHORTEST_CUT_S * SAMPLE_RATE) : int(LONGEST_CUT_S * SAMPLE_RATE)]
    windows = len(searched) // _PAUSE_WINDOW
    if windows == 0:
        return None
    levels = np.sqrt(np.mean(searched[: windows * _PAUSE_WINDOW].reshape(windows, -1).astype(np.float32) ** 2, axis=1))
    loudness = float(np.sqrt(np.mean(samples.astype(np.float32) ** 2)))
    quiet = np.flatnonzero(levels < loudness * 0.15)
    if len(quiet):
        chosen = int(quiet[0])
    elif len(samples) >= LONGEST_CUT_S * SAMPLE_RATE:
        chosen = int(np.argmin(levels))
    else:
        return None
    return int(SHORTEST_CUT_S * SAMPLE_RATE) + chosen * _PAUSE_WINDOW + _PAUSE_WINDOW // 2


def _transcribed(
    engine: SpeechEngine, first: PcmSegment, rest: Iterator[PcmSegment], total: float | None, progress: Progress
) -> tuple[list[Segment], float]:
    heard = 0.0

    def measured() -> Iterator[PcmSegment]:
        nonlocal heard
        for pcm in _chained(first, rest):
            yield pcm
            heard = pcm.start_s + pcm.seconds
            share = min(0.99, heard / total) if total else 0.5
            progress("transcription", share, f"Heard {heard:.0f} s" + (f" of {total:.0f} s" if total else ""))

    segments = [
        Segment(passage.text, passage.confidence, start_s=round(passage.start, 2), end_s=round(passage.end, 2))
        for passage in engine.transcribe(measured())
    ]
    return segments, heard


def _chained(first: PcmSegment, rest: Iterator[PcmSegment]) -> Iterator[PcmSegment]:
    yield first
    yield from rest


def _limited(segments: Iterator[PcmSegment], limit: float) -> Iterator[PcmSegment]:
    """A header may lie about the duration; what is decoded may not."""
    for segment in segments:
        if segment.start_s + segment.seconds > limit:
            raise Unreadable(f"The recording is longer than the {limit / 60:.0f} minutes allowed.", "transcription")
        yield segment


@contextmanager
def _opened(path: Path) -> Iterator[av.container.InputContainer]:
    try:
        with (
            path.open("rb") as stream,
            av.open(
                stream, metadata_errors="replace", options={"protocol_whitelist": "", "format_whitelist": _CONTAINERS}
            ) as container,
        ):
            yield cast("av.container.InputContainer", container)
    except (av.error.FFmpegError, ValueError, OSError, MemoryError) as error:
        raise Unreadable(f"The recording cannot be opened: {_said(error)}.", "validation") from error


def _checked_duration(container: av.container.InputContainer, limit: float) -> float | None:
    if container.duration is None or container.duration <= 0:
        return None
    seconds = float(container.duration / av.time_base)
    if seconds > limit:
        raise Unreadable(
            f"The recording lasts {seconds / 60:.0f} minutes; at most {limit / 60:.0f} are allowed.", "validation"
        )
    return seconds


def _described(container: av.container.InputContainer) -> dict[str, Scalar]:
    described: dict[str, Scalar] = {"container": container.format.name}
    if container.duration and container.duration > 0:
        described["duration_seconds"] = round(container.duration / av.time_base, 3)
    if container.streams.audio:
        audio = container.streams.audio[0].codec_context
        described |= {"audio_codec": audio.name, "sample_rate": audio.sample_rate, "channels": audio.channels}
    if container.streams.video:
        video = container.streams.video[0].codec_context
        described |= {"video_codec": video.name, "width": video.width, "height": video.height}
    return described


def _said(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).splitlines()[0][:200].rstrip(".")
