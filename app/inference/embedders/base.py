"""What an embedder of passages is asked, and what its answer must be."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from app.inference.errors import ModelFailed

MOST_DIMENSIONS = 16_000
"""What the database takes."""


@dataclass(frozen=True, slots=True)
class Embeddings:
    vectors: NDArray[np.float32]
    """One row a text, of length one."""
    input_tokens: int = 0


class PassageEmbedder(Protocol):
    """Blocking. Raises ModelUnavailable, ModelBusy, ModelFailed, ModelRefused."""

    name: str
    batch: int
    """So many texts a call at most."""

    def embed(self, texts: Sequence[str], *, query: bool, seconds: float) -> Embeddings:
        """`query`: they are questions; some models read them otherwise than what answers."""


def checked(rows: Any, *, texts: int, input_tokens: int) -> Embeddings:
    """As many vectors as texts, all of one length, made of numbers, and none of zeros alone. Raises ModelFailed."""
    try:
        vectors = np.asarray(rows, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ModelFailed("The embedder's answer is no list of vectors.") from error
    if vectors.ndim != 2 or len(vectors) != texts or not 1 <= vectors.shape[1] <= MOST_DIMENSIONS:
        raise ModelFailed("The embedder did not give one vector for each text.")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(vectors).all() or not np.isfinite(lengths).all() or not lengths.all():
        raise ModelFailed("The embedder gave a vector that has no direction.")
    return Embeddings(vectors / lengths, max(0, int(input_tokens)))
