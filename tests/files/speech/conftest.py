import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app import sample
from app.files.recognition.sound import Pcm, write_flac
from app.files.recognition_process import RecognitionProcess
from app.files.speech.engine import Clip
from tests.files.speech import peers
from tests.files.speech.peers import Peer

VOICE_NOTE = Path(sample.__file__).parent / "voice_note.wav"


def voice() -> np.ndarray:
    """Four seconds of speech."""
    with wave.open(str(VOICE_NOTE)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)[:64_000]


def clip_of(folder: Path, sound: np.ndarray, *, name: str = "clip") -> Clip:
    """Of a recording whose first two minutes were silence."""
    path = folder / f"{name}.flac"
    first = len(sound) * 3 // 4
    pieces = [Pcm(120 * 16_000, sound[:first]), Pcm(200 * 16_000, sound[first:])]
    write_flac(path, pieces)
    return Clip(name, path, [(piece.start, len(piece.samples)) for piece in pieces])


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    return clip_of(tmp_path, voice())


@pytest.fixture
def silence(tmp_path: Path) -> Clip:
    return clip_of(tmp_path, np.zeros(96_000, np.int16), name="silence")


@pytest.fixture(scope="package")
def engines_process() -> Iterator[RecognitionProcess]:
    process = RecognitionProcess()
    yield process
    process.close()


@pytest.fixture
def deepgram() -> Iterator[Peer]:
    with peers.serving(peers.deepgram) as peer:
        yield peer
