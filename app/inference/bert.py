"""The forward pass of a BERT encoder in numpy: inference only, float32, no framework to load.

Follows Devlin et al. 2018 (arXiv:1810.04805) with the exact (erf) GELU, which is what the MiniLM weights were
trained with. Differences to the reference implementation stay below 1e-6 per component.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf  # type: ignore[import-untyped]  # scipy ships no types

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

_MASKED = np.float32(-1e9)
_HALF = np.float32(0.5)
_INVERSE_ROOT_2 = np.float32(1 / math.sqrt(2))


@dataclass(frozen=True, slots=True)
class BertShape:
    layers: int
    heads: int
    epsilon: float = 1e-12


class BertEncoder:
    """Holds the weights, transposed once so that every product is one contiguous matrix multiplication.

    Safe to call from several threads: nothing is written after construction.
    """

    def __init__(self, weights: Mapping[str, NDArray[np.generic]], shape: BertShape) -> None:
        self._shape = shape
        self._weights: dict[str, Floats] = {
            name: np.ascontiguousarray(
                (value.T if name.startswith("encoder.") and value.ndim == 2 else value), dtype=np.float32
            )
            for name, value in weights.items()
            if name.startswith(("embeddings.", "encoder.")) and not name.endswith("position_ids")
        }
        self.dimensions = int(self._weights["embeddings.word_embeddings.weight"].shape[1])
        self.max_tokens = int(self._weights["embeddings.position_embeddings.weight"].shape[0])

    def hidden(self, ids: Ints, mask: Ints, kinds: Ints | None = None) -> Floats:
        """Last hidden states, shape (batch, tokens, dimensions), for token ids and a 1/0 attention mask; `kinds` is
        1 for tokens of a second text."""
        weights = self._weights
        x = (
            weights["embeddings.word_embeddings.weight"][ids]
            + weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
            + weights["embeddings.token_type_embeddings.weight"][0 if kinds is None else kinds]
        )
        x = self._norm(x, "embeddings.LayerNorm")
        bias = np.where(mask[:, None, None, :] == 1, np.float32(0), _MASKED)
        for layer in range(self._shape.layers):
            x = self._layer(x, bias, f"encoder.layer.{layer}")
        return x

    def mean_pooled(self, ids: Ints, mask: Ints) -> Floats:
        """One L2-normalised vector a text: the mean over its unmasked tokens."""
        weight = mask[:, :, None].astype(np.float32)
        pooled = (self.hidden(ids, mask) * weight).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-9)
        norms = np.linalg.norm(pooled, axis=1, keepdims=True)
        return np.asarray(pooled / np.maximum(norms, 1e-12), dtype=np.float32)

    def _layer(self, x: Floats, bias: Floats, name: str) -> Floats:
        attended = self._linear(self._attention(x, bias, f"{name}.attention.self"), f"{name}.attention.output.dense")
        x = self._norm(x + attended, f"{name}.attention.output.LayerNorm")
        inner = self._linear(x, f"{name}.intermediate.dense")
        inner *= _HALF * (1 + erf(inner * _INVERSE_ROOT_2))
        return self._norm(x + self._linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def _attention(self, x: Floats, bias: Floats, name: str) -> Floats:
        batch, tokens, width = x.shape
        size = width // self._shape.heads

        def heads(part: str) -> Floats:
            projected = self._linear(x, f"{name}.{part}")
            return projected.reshape(batch, tokens, self._shape.heads, size).transpose(0, 2, 1, 3)

        scores = heads("query") @ heads("key").transpose(0, 1, 3, 2) / np.float32(math.sqrt(size)) + bias
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        mixed: Floats = (scores @ heads("value")).transpose(0, 2, 1, 3).reshape(batch, tokens, width)
        return mixed

    def _linear(self, x: Floats, name: str) -> Floats:
        return np.asarray(x @ self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"], dtype=np.float32)

    def _norm(self, x: Floats, name: str) -> Floats:
        centred = x - x.mean(axis=-1, keepdims=True)
        scale = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + np.float32(self._shape.epsilon))
        normed = centred / scale * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        return np.asarray(normed, dtype=np.float32)
