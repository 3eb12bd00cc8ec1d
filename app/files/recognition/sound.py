"""Decoded sound as all of recognition has it: 16 kHz, one channel, 16 bits; and FLAC files of it, which we wrote."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

from app.files.recognition.result import SAMPLE_RATE

Samples = NDArray[np.int16]

_FRAME: Final = 4096


@dataclass(frozen=True, slots=True)
class Pcm:
    """Samples, and where they begin: the number of their first one."""

    start: int
    samples: Samples

    @property
    def start_s(self) -> float:
        return self.start / SAMPLE_RATE

    @property
    def seconds(self) -> float:
        return len(self.samples) / SAMPLE_RATE


def write_flac(path: Path, pieces: Sequence[Pcm]) -> None:
    """One piece after the other, without what lies between them."""
    with av.open(str(path), "w", format="flac") as container:
        stream = container.add_stream("flac", rate=SAMPLE_RATE)
        stream.codec_context.layout = "mono"
        stream.codec_context.format = av.AudioFormat("s16")
        at = 0
        for piece in pieces:
            for first in range(0, len(piece.samples), _FRAME):
                frame = av.AudioFrame.from_ndarray(
                    np.ascontiguousarray(piece.samples[None, first : first + _FRAME]), format="s16", layout="mono"
                )
                frame.sample_rate, frame.pts = SAMPLE_RATE, at
                at += frame.samples
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def read_flac(path: Path, pieces: Sequence[tuple[int, int]]) -> Iterator[Pcm]:
    """What `write_flac` wrote; `pieces` are (first sample in the recording, how many).

    Each is given with its place in the file, not in the recording.
    """
    with av.open(str(path), format="flac") as container:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        samples = np.concatenate(
            [
                resampled.to_ndarray().reshape(-1)
                for frame in container.decode(container.streams.audio[0])
                for resampled in resampler.resample(frame)
            ]
        )
    at = 0
    for _, count in pieces:
        yield Pcm(at, samples[at : at + count])
        at += count
