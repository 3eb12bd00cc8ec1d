from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.files.recognition.sound import Pcm
from app.files.recognition.speech import (
    SPHINX_CAP,
    SphinxEngine,
    WhisperEngine,
    speech_engine,
    sphinx_confidence,
)
from tests.files.speech.tiny_whisper import tiny_whisper


@pytest.fixture(autouse=True)
def _fresh_engine() -> Iterator[None]:
    speech_engine.cache_clear()
    yield
    speech_engine.cache_clear()


@pytest.fixture(scope="module")
def whisper_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_whisper(tmp_path_factory.mktemp("whisper"))


def noise(seconds: float) -> Pcm:
    samples = np.random.default_rng(5).standard_normal(int(seconds * 16_000)) * 3000
    return Pcm(2 * 16_000, samples.astype(np.int16))


def test_whisper_is_used_where_its_weights_are(whisper_dir: Path) -> None:
    engine = speech_engine(str(whisper_dir), "default", 1)
    assert isinstance(engine, WhisperEngine)
    assert engine.language is None
    passages = list(engine.transcribe(iter([noise(1.5), Pcm(int(3.5 * 16_000), np.zeros(8000, np.int16))])))
    assert engine.language in ("en", "de")
    for passage in passages:
        assert 2.0 <= passage.start <= passage.end <= 4.0
        assert 0.0 <= passage.confidence <= 1.0


@pytest.mark.parametrize("model", [None, "", "base", "/nowhere/model", "no such model!"])
def test_without_weights_the_last_resort_is_used(model: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert isinstance(speech_engine(model, "int8", 1), SphinxEngine)


def test_a_broken_weights_folder_falls_back_to_the_last_resort(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"broken")
    assert isinstance(speech_engine(str(tmp_path), "int8", 1), SphinxEngine)


def test_an_engine_is_loaded_once_per_process() -> None:
    assert speech_engine(None, "int8", 1) is speech_engine(None, "int8", 1)


def test_the_last_resort_never_claims_to_be_sure() -> None:
    assert sphinx_confidence([1.0, 1.0, 1.0]) == SPHINX_CAP
    assert sphinx_confidence([0.2, 0.4]) == pytest.approx(0.15)


def test_the_last_resort_hears_nothing_in_silence_and_little_in_noise() -> None:
    engine = SphinxEngine()
    assert list(engine.transcribe(iter([Pcm(0, np.zeros(16_000, np.int16)), Pcm(16_000, np.zeros(0, np.int16))]))) == []
    for passage in engine.transcribe(iter([noise(2), noise(1)])):
        assert passage.confidence <= SPHINX_CAP
