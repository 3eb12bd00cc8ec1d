"""A BERT that reads question and passage as one text and says how well they fit (Nogueira and Cho 2019), from a
directory as Hugging Face lays one out: `config.json`, `tokenizer.json`, `model.safetensors` with one label.
"""

import asyncio
import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from app.inference.bert import BertEncoder, BertShape
from app.inference.errors import ModelUnavailable

BATCH_SIZE = 8
_PREFIX = "bert."


class CrossEncoder:
    """Weights are read on the first use, once an object."""

    def __init__(self, directory: Path, *, passages: int, share: float) -> None:
        self.passages, self.share = passages, share
        self.name = f"local:{directory.name}"
        self._directory = directory
        self._lock = threading.Lock()
        self._loaded: _Pairs | None = None

    async def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        return await asyncio.to_thread(self._scores, query, texts)

    def _scores(self, query: str, texts: Sequence[str]) -> list[float]:
        with self._lock:
            if self._loaded is None:
                self._loaded = _read(self._directory)
        return self._loaded.scores(query, texts)


class _Pairs:
    def __init__(self, tokenizer: Tokenizer, weights: Mapping[str, NDArray[np.generic]], shape: BertShape) -> None:
        bare = {name.removeprefix(_PREFIX): value for name, value in weights.items()}
        self._encoder = BertEncoder(bare, shape)
        self._pooler = (bare["pooler.dense.weight"].astype(np.float32), bare["pooler.dense.bias"].astype(np.float32))
        self._head = (bare["classifier.weight"].astype(np.float32), bare["classifier.bias"].astype(np.float32))
        if self._head[0].shape[0] != 1:
            raise ModelUnavailable("The reranker's model must have one label.")
        self._tokenizer = tokenizer
        self._tokenizer.no_padding()
        # The question stays whole up to half of what the model reads; the passage gives way first.
        self._tokenizer.enable_truncation(self._encoder.max_tokens, strategy="longest_first")

    def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        def readable(text: str) -> str:
            return text.encode("utf-8", "ignore").decode("utf-8")

        encoded = self._tokenizer.encode_batch([(readable(query), readable(text)) for text in texts])
        order = sorted(range(len(encoded)), key=lambda index: len(encoded[index].ids))
        found = np.empty(len(encoded), dtype=np.float32)
        for start in range(0, len(order), BATCH_SIZE):
            chosen = order[start : start + BATCH_SIZE]
            width = max(len(encoded[index].ids) for index in chosen)
            ids, mask, kinds = (np.zeros((len(chosen), width), dtype=np.int64) for _ in range(3))
            for row, index in enumerate(chosen):
                size = len(encoded[index].ids)
                ids[row, :size], kinds[row, :size], mask[row, :size] = encoded[index].ids, encoded[index].type_ids, 1
            first = self._encoder.hidden(ids, mask, kinds)[:, 0]
            pooled = np.tanh(first @ self._pooler[0].T + self._pooler[1])
            found[chosen] = (pooled @ self._head[0].T + self._head[1])[:, 0]
        return [float(value) for value in 1 / (1 + np.exp(-found.astype(np.float64)))]


def _read(directory: Path) -> _Pairs:
    try:
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        shape = BertShape(
            layers=config["num_hidden_layers"], heads=config["num_attention_heads"], epsilon=config["layer_norm_eps"]
        )
        weights = load_file(directory / "model.safetensors")
        tokenizer = Tokenizer.from_str((directory / "tokenizer.json").read_text(encoding="utf-8"))
        return _Pairs(tokenizer, weights, shape)
    except OSError as error:
        raise ModelUnavailable(f"The reranker's files cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, SafetensorError) as error:
        raise ModelUnavailable("The reranker's files are not those of a BERT that scores pairs.") from error
