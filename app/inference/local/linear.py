"""The shipped linear head: a calibrated softmax over [sentence vector, TF-IDF row].

The artefact is a plain .npz (read with pickling switched off) beside a JSON file with the labels, the terms, what it
was trained on and how well it did in cross-validation.
"""

import hashlib
import io
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.inference.errors import ModelUnavailable
from app.inference.local.examples import data_bytes
from app.inference.local.vocabulary import Vocabulary

Floats = NDArray[np.float32]

WEIGHTS_FILE = "classifier.npz"
METADATA_FILE = "classifier.json"


def softmax(logits: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


@dataclass(frozen=True, slots=True)
class Calibration:
    """p = (1 - doubt) · softmax(logits / temperature) + doubt / labels.

    The temperature is Guo et al. 2017 (arXiv:1706.04599). `doubt` keeps the share of plain mistakes that
    cross-validation found even among the surest answers: no report is ever told to be right with 100 %.
    """

    temperature: float
    doubt: float

    def apply(self, logits: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        scaled = softmax(logits / self.temperature)
        return np.asarray((1 - self.doubt) * scaled + self.doubt / logits.shape[-1])


@dataclass(frozen=True, slots=True)
class LinearHead:
    labels: tuple[str, ...]
    vocabulary: Vocabulary
    weights: Floats
    """Shape (labels, dimensions of the sentence vector + terms)."""
    bias: Floats
    calibration: "Calibration"
    example_vectors: Floats
    """Sentence vectors of the labelled examples, in the order of the examples file."""
    metadata: dict[str, Any]

    def probabilities(self, features: Floats) -> NDArray[np.floating[Any]]:
        return self.calibration.apply(features @ self.weights.T + self.bias)


def pack(head: LinearHead) -> tuple[bytes, bytes]:
    """The two files, weights first. The metadata carries the weights' checksum."""
    buffer = io.BytesIO()
    np.savez(
        buffer,
        weights=head.weights,
        bias=head.bias,
        idf=head.vocabulary.idf,
        example_vectors=head.example_vectors.astype(np.float16),
    )
    weights = buffer.getvalue()
    document = {
        **head.metadata,
        "labels": head.labels,
        "calibration": {"temperature": head.calibration.temperature, "doubt": head.calibration.doubt},
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "terms": head.vocabulary.known,
    }
    return weights, (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()


def unpack(weights: bytes, metadata: bytes) -> LinearHead:
    """Raises `ModelUnavailable` when the two files do not belong together."""
    document = json.loads(metadata)
    if hashlib.sha256(weights).hexdigest() != document["weights_sha256"]:
        raise ModelUnavailable("The classifier's weights do not match their description; train it again.")
    with np.load(io.BytesIO(weights), allow_pickle=False) as arrays:
        return LinearHead(
            labels=tuple(document.pop("labels")),
            vocabulary=Vocabulary(document.pop("terms"), arrays["idf"]),
            weights=arrays["weights"],
            bias=arrays["bias"],
            calibration=Calibration(**document.pop("calibration")),
            example_vectors=arrays["example_vectors"].astype(np.float32),
            metadata=document,
        )


@lru_cache(maxsize=1)
def shipped_head() -> LinearHead:
    return unpack(data_bytes(WEIGHTS_FILE), data_bytes(METADATA_FILE))
