"""The classifier that a desk runs, as it is kept: arrays in a plain .npz, read with pickling switched off, beside JSON
with the labels, what it was trained on and how well it did in cross-validation.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]  # scipy ships no types

from app.inference.errors import ModelUnavailable
from app.inference.local.examples import data_bytes
from app.inference.local.stack import SHAPES, Combination, Judges, Regression, StackedClassifier
from app.inference.local.views import Analysis, View, Views, opening, pieces, words
from app.inference.local.vocabulary import Vocabulary

WEIGHTS_FILE = "classifier.npz"
METADATA_FILE = "classifier.json"
DESIGN: Final = 2
"""Of what is kept: another number is another way to read it."""

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Head:
    classifier: StackedClassifier
    delivered: int
    """The first rows that it learned from are the delivered examples, in their order; the others are people's."""
    metadata: dict[str, Any]

    @property
    def labels(self) -> tuple[str, ...]:
        return self.classifier.labels

    @property
    def example_vectors(self) -> NDArray[np.float32]:
        """Sentence vectors of the delivered examples."""
        return self.classifier.judges.views.vectors[: self.delivered]


def pack(head: Head) -> tuple[bytes, bytes]:
    """The two files, weights first. The metadata carries the weights' checksum."""
    judges, combination = head.classifier.judges, head.classifier.combination
    views = judges.views
    arrays = {
        **_packed("words", views.words),
        **_packed("pieces", views.pieces),
        **({} if views.opening is None else _packed("opening", views.opening)),
        "vectors": views.vectors.astype(np.float16),
        "truth": judges.truth.astype(np.int16),
        "coefficients": np.stack([one.coefficients for one in judges.regressions]).astype(np.float16),
        "weights": combination.weights.astype(np.float32),
        "bias": combination.bias.astype(np.float32),
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    weights = buffer.getvalue()
    threshold = head.classifier.threshold
    document = {
        "design": DESIGN,
        **head.metadata,
        "labels": head.labels,
        "threshold": threshold if np.isfinite(threshold) else None,
        "doubt": combination.doubt,
        "delivered": head.delivered,
        "judges": [[one.view, one.shape] for one in judges.regressions],
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    return weights, (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()


def unpack(weights: bytes, metadata: bytes) -> Head:
    """Raises `ModelUnavailable` when the two files do not belong together, or are of another design."""
    document = json.loads(metadata)
    if hashlib.sha256(weights).hexdigest() != document.pop("weights_sha256"):
        raise ModelUnavailable("The classifier's weights do not match their description; train it again.")
    judges = document.pop("judges", [])
    if document.pop("design", None) != DESIGN or any(shape not in SHAPES for _, shape in judges):
        raise ModelUnavailable("The classifier was trained by another version of the product; train it again.")
    labels, threshold = tuple(document.pop("labels")), document.pop("threshold")
    with np.load(io.BytesIO(weights), allow_pickle=False) as arrays:
        views = Views(
            words=_view(words, "words", arrays),
            pieces=_view(pieces, "pieces", arrays),
            opening=_view(opening, "opening", arrays) if "opening.terms" in arrays else None,
            vectors=arrays["vectors"].astype(np.float32),
        )
        coefficients = arrays["coefficients"].astype(np.float32)
        regressions = [Regression(view, shape, one) for (view, shape), one in zip(judges, coefficients, strict=True)]
        return Head(
            StackedClassifier(
                labels,
                float("inf") if threshold is None else threshold,
                Judges(views, arrays["truth"].astype(np.int64), len(labels), regressions),
                Combination(arrays["weights"], arrays["bias"], document.pop("doubt")),
            ),
            document.pop("delivered"),
            document,
        )


def _packed(name: str, view: View) -> dict[str, NDArray[Any]]:
    rows = csr_matrix(view.known.T)
    return {
        # No term holds a line break: they are words and what stands between spaces.
        f"{name}.terms": np.frombuffer("\n".join(view.vocabulary.known).encode(), dtype=np.uint8),
        f"{name}.idf": view.vocabulary.idf,
        f"{name}.values": rows.data.astype(np.float16),
        f"{name}.columns": rows.indices.astype(np.int32),
        f"{name}.ends": rows.indptr.astype(np.int32),
    }


def _view(analysis: Analysis, name: str, arrays: Arrays) -> View:
    terms = arrays[f"{name}.terms"].tobytes().decode().split("\n")
    ends = arrays[f"{name}.ends"]
    sparse = (arrays[f"{name}.values"].astype(np.float32), arrays[f"{name}.columns"], ends)
    rows = csr_matrix(sparse, shape=(len(ends) - 1, len(terms)))
    return View(analysis, Vocabulary(terms, arrays[f"{name}.idf"]), csr_matrix(rows.T))


@lru_cache(maxsize=1)
def shipped_head() -> Head:
    return unpack(data_bytes(WEIGHTS_FILE), data_bytes(METADATA_FILE))
