"""Recordings: demuxed and decoded with PyAV (FFmpeg in its wheel) to 16 kHz mono, and cut into parts of speech.

FFmpeg may open only the file it is given (no playlist, no network) and only container formats listed here. What comes
out is FLAC that we wrote ourselves: whoever reads it on, an engine here or a service elsewhere, never sees the
stranger's file. Memory does not grow with the recording's length.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, cast

import av
import av.container
import av.error
import numpy as np

from app.files.recognition.result import (
    SAMPLE_RATE,
    CutRecording,
    Progress,
    Recognition,
    RecognitionSettings,
    RecordingPart,
    Scalar,
    Segment,
    Unreadable,
    joined,
    weighted_confidence,
)
from app.files.recognition.sound import Pcm, Samples, read_flac, write_flac
from app.files.recognition.speech import speech_engine
from app.files.recognition.voice import speech_pieces

_CONTAINERS: Final = (
    "wav,w64,mp3,ogg,flac,aac,aiff,amr,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,asf,mpeg,mpegts,caf,au"
)
_TOLD_EVERY_S: Final = 60


def cut_recording(path: Path, folder: Path, *, settings: RecognitionSettings, progress: Progress) -> CutRecording:
    """Find the speech in a recording and write it into `folder`, in parts of about `settings.part_seconds` of speech.

    Raises:
        Unreadable: damaged, without an audio stream, without a sample, or longer than allowed.
    """
    progress("validation", 0.0, "Checking the recording")
    with _opened(path) as container:
        metadata = _described(container)
        total = _checked_duration(container, settings.max_media_seconds)
        listened = _Listened(_decoded(container), settings.max_media_seconds, total, progress)
        parts = list(_parts(speech_pieces(iter(listened)), folder, settings.part_seconds))
    if not listened.samples:
        raise Unreadable("The recording has no samples: there is nothing to hear.", "validation")
    spoken = sum(count for part in parts for _, count in part.pieces)
    metadata |= {
        "heard_seconds": round(listened.samples / SAMPLE_RATE, 3),
        "speech_seconds": round(spoken / SAMPLE_RATE, 3),
    }
    return CutRecording(metadata, parts)


def hear(
    path: Path, pieces: list[tuple[int, int]], *, settings: RecognitionSettings, progress: Progress
) -> Recognition:
    """Transcribe one part with the engine of this machine. Times are seconds within the part's file.

    Raises:
        Unreadable: the file is not what was written.
    """
    engine = speech_engine(settings.whisper_model, settings.whisper_compute_type, settings.threads, settings.language)
    whole = max(1, sum(count for _, count in pieces))

    def measured() -> Iterator[Pcm]:
        for piece in read_flac(path, pieces):
            yield piece
            share = (piece.start + len(piece.samples)) / whole
            progress("transcription", min(0.99, share), f"Heard {share:.0%} with {engine.name}")

    try:
        segments = [
            Segment(passage.text, passage.confidence, start_s=round(passage.start, 2), end_s=round(passage.end, 2))
            for passage in engine.transcribe(measured())
        ]
    except (av.error.FFmpegError, ValueError, OSError) as error:
        raise Unreadable(f"The part cannot be read: {_said(error)}.", "transcription") from error
    text, _ = joined(segments, settings.max_chars)
    return Recognition(
        analysis_type="transcription",
        text=text,
        segments=segments,
        confidence=weighted_confidence(segments),
        engine=engine.name,
        engine_version=engine.version,
        language=engine.language,
    )


def _parts(pieces: Iterator[Pcm], folder: Path, seconds: float) -> Iterator[RecordingPart]:
    held: list[Pcm] = []
    for piece in pieces:
        held.append(piece)
        if sum(one.seconds for one in held) >= seconds:
            yield _written(held, folder)
            held = []
    if held:
        yield _written(held, folder)


def _written(pieces: list[Pcm], folder: Path) -> RecordingPart:
    path = folder / f"{pieces[0].start}.flac"
    write_flac(path, pieces)
    return RecordingPart(str(path), [(piece.start, len(piece.samples)) for piece in pieces])


class _Listened:
    """Counts what is decoded. A header may lie about the duration; what is decoded may not."""

    def __init__(self, blocks: Iterator[Samples], limit: float, total: float | None, progress: Progress) -> None:
        self._blocks, self._limit, self._total, self._progress = blocks, limit, total, progress
        self.samples = 0

    def __iter__(self) -> Iterator[Samples]:
        told = 0
        for block in self._blocks:
            self.samples += len(block)
            seconds = self.samples / SAMPLE_RATE
            if seconds > self._limit:
                raise Unreadable(
                    f"The recording is longer than the {self._limit / 60:.0f} minutes allowed.", "validation"
                )
            if seconds >= told + _TOLD_EVERY_S:
                told = int(seconds)
                share = min(0.99, seconds / self._total) if self._total else 0.5
                self._progress("validation", share, f"Looked for speech in {seconds:.0f} s")
            yield block


def _decoded(container: av.container.InputContainer) -> Iterator[Samples]:
    """The first audio stream, resampled.

    Raises:
        Unreadable: there is none, or decoding fails before any sample came out. A recording that breaks off later is
            heard as far as it goes.
    """
    if not container.streams.audio:
        raise Unreadable("The recording has no audio stream.", "validation")
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
