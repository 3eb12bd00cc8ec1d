import json
from collections.abc import Iterator
from pathlib import Path

import ctranslate2
import numpy as np
import pytest
from tokenizers import Tokenizer, models

from app.files.recognition.media import PcmSegment
from app.files.recognition.speech import (
    SPHINX_CAP,
    SphinxEngine,
    WhisperEngine,
    speech_engine,
    sphinx_confidence,
)


@pytest.fixture(autouse=True)
def _fresh_engine() -> Iterator[None]:
    speech_engine.cache_clear()
    yield
    speech_engine.cache_clear()


@pytest.fixture(scope="module")
def whisper_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_whisper(tmp_path_factory.mktemp("whisper"))


def tiny_whisper(folder: Path) -> Path:
    """Whisper's real architecture and tokens with one layer of random weights: it loads and hallucinates."""
    random = np.random.default_rng(3)
    width, heads, mels = 8, 2, 80
    special = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|de|>", "<|translate|>", "<|transcribe|>"]
    special += ["<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
    special += [f"<|{0.02 * step:.2f}|>" for step in range(1501)]
    words = ["Ġhello", "Ġworld", *(chr(code) for code in range(33, 127))]
    vocabulary = words + special

    def weight(*shape: int) -> np.ndarray:
        return (random.standard_normal(shape) * 0.1).astype(np.float32)

    def norm(layer: object) -> None:
        layer.gamma, layer.beta = np.ones(width, np.float32), np.zeros(width, np.float32)  # type: ignore[attr-defined]

    def linear(layer: object, *shape: int) -> None:
        layer.weight, layer.bias = weight(*shape), np.zeros(shape[0], np.float32)  # type: ignore[attr-defined]

    spec = ctranslate2.specs.WhisperSpec(1, heads, 1, heads)
    linear(spec.encoder.conv1, width, mels, 3)
    linear(spec.encoder.conv2, width, width, 3)
    spec.encoder.position_encodings.encodings = weight(1500, width)
    spec.decoder.position_encodings.encodings = weight(448, width)
    spec.decoder.embeddings.weight = weight(len(vocabulary), width)
    spec.decoder.projection.weight = spec.decoder.embeddings.weight
    spec.decoder.scale_embeddings = False
    for side in (spec.encoder, spec.decoder):
        norm(side.layer_norm)
        for layer in side.layer:
            linear(layer.self_attention.linear[0], 3 * width, width)
            linear(layer.self_attention.linear[1], width, width)
            norm(layer.self_attention.layer_norm)
            linear(layer.ffn.linear_0, 4 * width, width)
            linear(layer.ffn.linear_1, width, 4 * width)
            norm(layer.ffn.layer_norm)
            if side is spec.decoder:
                linear(layer.attention.linear[0], width, width)
                linear(layer.attention.linear[1], 2 * width, width)
                linear(layer.attention.linear[2], width, width)
                norm(layer.attention.layer_norm)
    spec.register_vocabulary(vocabulary)
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = []
    spec.config.lang_ids = [vocabulary.index("<|en|>"), vocabulary.index("<|de|>")]
    spec.config.alignment_heads = [(0, 0)]
    spec.validate()
    spec.optimize()
    spec.save(str(folder))
    tokenizer = Tokenizer(models.WordLevel({token: number for number, token in enumerate(words)}, unk_token=words[0]))
    tokenizer.add_special_tokens(special)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_size": mels}))
    return folder


def noise(seconds: float) -> PcmSegment:
    samples = np.random.default_rng(5).standard_normal(int(seconds * 16_000)) * 3000
    return PcmSegment(2.0, samples.astype(np.int16))


def test_whisper_is_used_where_its_weights_are(whisper_dir: Path) -> None:
    engine = speech_engine(str(whisper_dir), "default", 1)
    assert isinstance(engine, WhisperEngine)
    assert engine.language is None
    passages = list(engine.transcribe(iter([noise(1.5), PcmSegment(3.5, np.zeros(8000, np.int16))])))
    assert engine.language in ("en", "de")
    for passage in passages:
        assert 2.0 <= passage.start <= passage.end
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
    assert (
        list(
            engine.transcribe(
                iter([PcmSegment(0.0, np.zeros(16_000, np.int16)), PcmSegment(1.0, np.zeros(0, np.int16))])
            )
        )
        == []
    )
    for passage in engine.transcribe(iter([noise(2), noise(1)])):
        assert passage.confidence <= SPHINX_CAP
