import json
import math
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import Tokenizer

from app.inference import embedding
from app.inference.bert import BertEncoder, BertShape
from app.inference.embedding import MiniLmEmbedder, default_embedder, packaged_directory
from app.inference.errors import ModelUnavailable

WIDTH, HEADS, LAYERS, INNER, WORDS = 8, 2, 2, 12, 20


def tiny_weights() -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(5)

    def some(*shape: int) -> NDArray[np.float32]:
        return random.normal(0, 0.5, shape).astype(np.float32)

    weights = {
        "embeddings.word_embeddings.weight": some(WORDS, WIDTH),
        "embeddings.position_embeddings.weight": some(16, WIDTH),
        "embeddings.token_type_embeddings.weight": some(2, WIDTH),
        "embeddings.LayerNorm.weight": some(WIDTH),
        "embeddings.LayerNorm.bias": some(WIDTH),
        "pooler.dense.weight": some(WIDTH, WIDTH),
    }
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}"
        for part in ("query", "key", "value"):
            weights[f"{name}.attention.self.{part}.weight"] = some(WIDTH, WIDTH)
            weights[f"{name}.attention.self.{part}.bias"] = some(WIDTH)
        for part, rows, columns in (
            ("attention.output.dense", WIDTH, WIDTH),
            ("intermediate.dense", INNER, WIDTH),
            ("output.dense", WIDTH, INNER),
        ):
            weights[f"{name}.{part}.weight"] = some(rows, columns)
            weights[f"{name}.{part}.bias"] = some(rows)
        for part in ("attention.output.LayerNorm", "output.LayerNorm"):
            weights[f"{name}.{part}.weight"] = some(WIDTH)
            weights[f"{name}.{part}.bias"] = some(WIDTH)
    return weights


class NaiveBert:
    """The formulas of the paper with plain numbers, one token after the other."""

    def __init__(self, weights: dict[str, NDArray[np.float32]]) -> None:
        self.weights = {name: value.astype(float).tolist() for name, value in weights.items()}

    def linear(self, x: list[float], name: str) -> list[float]:
        rows, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return [sum(w * v for w, v in zip(row, x, strict=True)) + b for row, b in zip(rows, bias, strict=True)]

    def norm(self, x: list[float], name: str) -> list[float]:
        mean = sum(x) / len(x)
        deviation = math.sqrt(sum((v - mean) ** 2 for v in x) / len(x) + 1e-12)
        scale, shift = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return [(v - mean) / deviation * s + b for v, s, b in zip(x, scale, shift, strict=True)]

    def hidden(self, ids: list[int]) -> list[list[float]]:
        words = self.weights["embeddings.word_embeddings.weight"]
        places = self.weights["embeddings.position_embeddings.weight"]
        kind = self.weights["embeddings.token_type_embeddings.weight"][0]
        states = [
            self.norm(
                [a + b + c for a, b, c in zip(words[token], places[place], kind, strict=True)], "embeddings.LayerNorm"
            )
            for place, token in enumerate(ids)
        ]
        for layer in range(LAYERS):
            states = self.layer(states, f"encoder.layer.{layer}")
        return states

    def layer(self, states: list[list[float]], name: str) -> list[list[float]]:
        size = WIDTH // HEADS
        query, key, value = (
            [self.linear(state, f"{name}.attention.self.{part}") for state in states]
            for part in ("query", "key", "value")
        )
        after: list[list[float]] = []
        for token, state in enumerate(states):
            mixed: list[float] = []
            for head in range(HEADS):
                place = slice(head * size, (head + 1) * size)
                scores = [
                    math.exp(
                        sum(q * k for q, k in zip(query[token][place], other[place], strict=True)) / math.sqrt(size)
                    )
                    for other in key
                ]
                total = sum(scores)
                mixed += [
                    sum(score / total * v[place][index] for score, v in zip(scores, value, strict=True))
                    for index in range(size)
                ]
            attended = self.linear(mixed, f"{name}.attention.output.dense")
            x = self.norm([a + b for a, b in zip(state, attended, strict=True)], f"{name}.attention.output.LayerNorm")
            inner = [v / 2 * (1 + math.erf(v / math.sqrt(2))) for v in self.linear(x, f"{name}.intermediate.dense")]
            out = self.linear(inner, f"{name}.output.dense")
            after.append(self.norm([a + b for a, b in zip(x, out, strict=True)], f"{name}.output.LayerNorm"))
        return after


def test_the_encoder_gives_what_the_plain_formulas_give() -> None:
    weights = tiny_weights()
    encoder = BertEncoder(weights, BertShape(layers=LAYERS, heads=HEADS))
    short, long = [3, 7, 1], [2, 19, 4, 11, 5]
    ids = np.array([[*short, 0, 0], long])
    mask = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])

    hidden = encoder.hidden(ids, mask)
    pooled = encoder.mean_pooled(ids, mask)

    naive = NaiveBert(weights)
    np.testing.assert_allclose(hidden[0, :3], naive.hidden(short), atol=2e-5)
    np.testing.assert_allclose(hidden[1], naive.hidden(long), atol=2e-5)
    mean = np.mean(naive.hidden(short), axis=0)
    np.testing.assert_allclose(pooled[0], mean / np.linalg.norm(mean), atol=2e-5)
    assert (encoder.dimensions, encoder.max_tokens) == (WIDTH, 16)


def test_the_vectors_have_the_similarities_that_the_models_authors_publish() -> None:
    """The quick start of sentence-transformers prints these three for all-MiniLM-L6-v2."""
    vectors = default_embedder().embed(
        ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
    )

    cosines = vectors @ vectors.T

    assert cosines[0, 1] == pytest.approx(0.6660, abs=1e-4)
    assert cosines[0, 2] == pytest.approx(0.1046, abs=1e-4)
    assert cosines[1, 2] == pytest.approx(0.1411, abs=1e-4)


def test_vectors_are_float32_of_length_one_and_keep_the_order_of_the_texts() -> None:
    texts = [f"{'word ' * (index % 7)}number {index}" for index in range(40)]

    together = default_embedder().embed(texts)
    alone = np.vstack([default_embedder().embed([text]) for text in texts])

    assert together.dtype == np.float32
    assert together.shape == (40, default_embedder().dimensions)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(together, alone, atol=2e-6)


def test_no_text_gives_no_vector_and_an_empty_text_gives_one() -> None:
    assert default_embedder().embed([]).shape == (0, 384)
    assert np.isfinite(default_embedder().embed(["", "half a pair \ud800", "\x00"])).all()


def test_a_text_is_cut_after_256_tokens() -> None:
    long, longer = "alpha " * 254, "alpha " * 254 + "omega " * 500

    assert default_embedder().count_tokens(longer) == 256
    np.testing.assert_array_equal(default_embedder().embed([long]), default_embedder().embed([longer]))


def test_weights_are_read_once_although_many_threads_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Path] = []
    real = embedding._read

    def counted(directory: Path) -> tuple[Tokenizer, BertEncoder]:
        reads.append(directory)
        return real(directory)

    monkeypatch.setattr(embedding, "_read", counted)
    embedder = MiniLmEmbedder()
    results: list[NDArray[np.float32]] = []
    threads = [threading.Thread(target=lambda: results.append(embedder.embed(["hello"]))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(reads) == 1
    for vector in results:
        np.testing.assert_array_equal(vector, results[0])


def test_a_directory_of_another_bert_can_be_given(tmp_path: Path) -> None:
    shutil.copy(packaged_directory() / "tokenizer.json", tmp_path)
    config = {"num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "layer_norm_eps": 1e-12}
    (tmp_path / "config.json").write_text(json.dumps(config))
    weights = tiny_weights()
    weights["embeddings.word_embeddings.weight"] = np.ones((30522, WIDTH), dtype=np.float32)
    save_file(weights, tmp_path / "model.safetensors")
    embedder = MiniLmEmbedder(tmp_path)
    embedder.dimensions = WIDTH

    assert embedder.embed(["hello"]).shape == (1, WIDTH)


def test_missing_files_make_the_model_unavailable(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="cannot be read"):
        MiniLmEmbedder(tmp_path).embed(["hello"])


def test_a_missing_package_makes_the_model_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "WEIGHTS_PACKAGE", "no_such_package_here")

    with pytest.raises(ModelUnavailable, match="not installed"):
        packaged_directory()
