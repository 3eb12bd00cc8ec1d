"""Trains the classifier from the labelled examples: `python -m app.inference.local.train [directory]`.

Deterministic on one machine and library version. Every figure in the metadata comes from cross-validation, in which
no example is judged by a model that has seen it, and no probability is calibrated by a fit that has seen it.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack  # type: ignore[import-untyped]  # scipy ships no types
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedKFold

from app.inference.embedding import Embedder, default_embedder
from app.inference.local.examples import Example, examples_hash, load_examples
from app.inference.local.linear import METADATA_FILE, WEIGHTS_FILE, Calibration, LinearHead, pack, softmax
from app.inference.local.vocabulary import Vocabulary, glossed, terms, tokens

FOLDS = 8
SEED = 7
REGULARISATION = 8.0
"""scikit-learn's C. 3, 8 and 20 were within half a point of each other in cross-validation."""
MINIMUM_DOCUMENTS = 2
CALIBRATION_BINS = 10
EMBEDDED_AT_ONCE = 256
DOUBTS = (0.005, 0.01, 0.02, 0.03, 0.04, 0.06, 0.08)

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """Out-of-fold results: row i was predicted by a model that never saw example i."""

    labels: tuple[str, ...]
    truth: NDArray[np.int64]
    logits: Floats
    folds: NDArray[np.int64]

    @property
    def calibrated(self) -> Floats:
        """Each fold calibrated by what was fitted on the other folds."""
        scaled = np.empty_like(self.logits)
        for fold in np.unique(self.folds):
            inside = self.folds == fold
            scaled[inside] = fit_calibration(self.logits[~inside], self.truth[~inside]).apply(self.logits[inside])
        return scaled


def fit_calibration(logits: Floats, truth: NDArray[np.int64]) -> Calibration:
    """Temperature and doubt with the least negative log-likelihood, found on a grid."""
    rows = np.arange(len(truth))
    best, least = Calibration(1.0, 0.0), np.inf
    for temperature in np.geomspace(0.1, 10, 200):
        right = softmax(logits / temperature)[rows, truth]
        for doubt in DOUBTS:
            loss = -np.log(np.maximum((1 - doubt) * right + doubt / logits.shape[1], 1e-12)).mean()
            if loss < least:
                best, least = Calibration(round(float(temperature), 6), doubt), loss
    return best


def expected_calibration_error(probabilities: Floats, truth: NDArray[np.int64]) -> float:
    """Mean gap between confidence and accuracy over equal-width bins, weighted by how many fall into each."""
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == truth
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    gaps = [
        abs(confidence[bins == number].mean() - correct[bins == number].mean()) * (bins == number).mean()
        for number in np.unique(bins)
    ]
    return float(sum(gaps))


def cross_validate(
    documents: list[list[str]], vectors: Floats, truth: NDArray[np.int64], labels: tuple[str, ...]
) -> CrossValidation:
    logits = np.empty((len(truth), len(labels)))
    folds = np.empty(len(truth), dtype=np.int64)
    splitter = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    for number, (seen, unseen) in enumerate(splitter.split(vectors, truth)):
        vocabulary = Vocabulary.fit([documents[index] for index in seen], minimum=MINIMUM_DOCUMENTS)
        features = _features(vocabulary, documents, vectors)
        model = _fit(features[seen], truth[seen])
        logits[unseen] = model.decision_function(features[unseen])
        folds[unseen] = number
    return CrossValidation(labels, truth, logits, folds)


def train(
    examples: list[Example],
    embedder: Embedder,
    *,
    data_hash: str,
    own: Sequence[Example] = (),
    known_vectors: Floats | None = None,
) -> LinearHead:
    """`own`: a desk's own examples. They are learned from like the others, but never kept to be quoted.
    `known_vectors`: those of `examples`, where they have been computed before."""
    everything = [*examples, *own]
    labels = tuple(sorted({example.category for example in everything}))
    truth = np.asarray([labels.index(example.category) for example in everything], dtype=np.int64)
    documents = [terms(tokens(example.text)) for example in everything]
    unread = everything if known_vectors is None else everything[len(known_vectors) :]
    vectors = np.concatenate(
        [
            *([] if known_vectors is None else [known_vectors]),
            *(
                embedder.embed([glossed(example.text) for example in unread[start : start + EMBEDDED_AT_ONCE]])
                for start in range(0, len(unread), EMBEDDED_AT_ONCE)
            ),
        ]
    )
    checked = cross_validate(documents, vectors, truth, labels)
    vocabulary = Vocabulary.fit(documents, minimum=MINIMUM_DOCUMENTS)
    model = _fit(_features(vocabulary, documents, vectors), truth)
    return LinearHead(
        labels=labels,
        vocabulary=vocabulary,
        weights=np.asarray(model.coef_, dtype=np.float32),
        bias=np.asarray(model.intercept_, dtype=np.float32),
        calibration=fit_calibration(checked.logits, checked.truth),
        example_vectors=vectors[: len(examples)],
        metadata={
            "embedder": embedder.name,
            "examples": len(examples),
            "examples_sha256": data_hash,
            "libraries": {name: version(name) for name in ("numpy", "scikit-learn")},
            "cross_validation": figures(checked),
        },
    )


def figures(checked: CrossValidation) -> dict[str, Any]:
    probabilities = checked.calibrated
    guessed = probabilities.argmax(axis=1)
    return {
        "folds": FOLDS,
        "accuracy": round(float((guessed == checked.truth).mean()), 4),
        "macro_f1": round(float(f1_score(checked.truth, guessed, average="macro")), 4),
        "ece": round(expected_calibration_error(probabilities, checked.truth), 4),
        "ece_uncalibrated": round(expected_calibration_error(softmax(checked.logits), checked.truth), 4),
        "reliability": reliability(probabilities, checked.truth),
    }


def reliability(probabilities: Floats, truth: NDArray[np.int64]) -> list[dict[str, float | int]]:
    """The curve behind the calibration error: for each bin that holds an answer, mean confidence and share right."""
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == truth
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    return [
        {
            "least": round(number / CALIBRATION_BINS, 4),
            "most": round((number + 1) / CALIBRATION_BINS, 4),
            "count": int((bins == number).sum()),
            "confidence": round(float(confidence[bins == number].mean()), 4),
            "accuracy": round(float(correct[bins == number].mean()), 4),
        }
        for number in map(int, np.unique(bins))
    ]


def _features(vocabulary: Vocabulary, documents: list[list[str]], vectors: Floats) -> csr_matrix:
    return hstack([csr_matrix(vectors, dtype=np.float32), vocabulary.rows(documents)], format="csr")


def _fit(features: csr_matrix, truth: NDArray[np.int64]) -> LogisticRegression:
    return LogisticRegression(C=REGULARISATION, max_iter=2000).fit(features, truth)


def main(arguments: list[str]) -> int:
    directory = Path(arguments[0]) if arguments else Path(__file__).parent / "data"
    head = train(load_examples(), default_embedder(), data_hash=examples_hash())
    weights, metadata = pack(head)
    (directory / WEIGHTS_FILE).write_bytes(weights)
    (directory / METADATA_FILE).write_bytes(metadata)
    for name, value in head.metadata["cross_validation"].items():
        sys.stdout.write(f"{name}: {value}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
