"""Trains the classifier from the labelled examples: `python -m app.inference.local.train [directory]`.

Deterministic on one machine and library version. Its figures are of rows unseen: no example is judged by
a model that has learned from it (`stacking`).
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.inference.embedding import Embedder, default_embedder
from app.inference.local.examples import Example, examples_hash, load_examples
from app.inference.local.head import METADATA_FILE, WEIGHTS_FILE, Head, pack
from app.inference.local.reading import prepared
from app.inference.local.selective import choose_own_threshold, figures, reliability
from app.inference.local.stack import StackedClassifier
from app.inference.local.stacking import ASIDE, Unseen, learn
from app.inference.local.views import Floats, Texts
from app.inference.local.vocabulary import glossed, tokens

EMBEDDED_AT_ONCE = 256
MOST_WEIGHT = 5.0
"""Of one of a desk's own examples beside a delivered one."""


def train(
    examples: list[Example],
    embedder: Embedder,
    *,
    data_hash: str,
    own: Sequence[Example] = (),
    foreign: Sequence[Example] = (),
    known_vectors: Floats | None = None,
) -> Head:
    """`own`: a desk's own examples. They are learned from like the others, but never quoted, and the threshold is to
    hold for them. `foreign`: its examples of labels that are not learned, and so are always told wrong.
    `known_vectors`: those of `examples`, where they have been computed before."""
    texts = read_all([*examples, *own], embedder, known_vectors)
    mine = np.arange(len(texts.words)) >= len(examples)
    labels = [example.category for example in (*examples, *own)]
    classifier, unseen = learn(texts, labels, weights=weights_of(mine))
    if own:
        strangers = classifier.probabilities(read_all(foreign, embedder)).max(axis=1) if foreign else np.empty(0)
        classifier = replace(classifier, threshold=own_threshold(unseen, mine, strangers))
    return Head(
        classifier,
        delivered=len(examples),
        metadata={
            "embedder": embedder.name,
            "examples": len(examples),
            "examples_sha256": data_hash,
            "libraries": {name: version(name) for name in ("numpy", "scipy", "scikit-learn")},
            "cross_validation": checked(classifier, unseen),
            **({"judgements": checked(classifier, unseen.take(mine))} if own else {}),
        },
    )


def read_all(examples: Sequence[Example], embedder: Embedder, known_vectors: Floats | None = None) -> Texts:
    """As `reading.read`, for any number of them. `known_vectors`: of the first ones."""
    vectors = [] if known_vectors is None else [known_vectors]
    unread = [glossed(example.text) for example in examples[sum(map(len, vectors)) :]]
    chunks = range(0, len(unread), EMBEDDED_AT_ONCE)
    vectors += [embedder.embed(unread[start : start + EMBEDDED_AT_ONCE]) for start in chunks]
    return Texts([prepared(tokens(example.text)) for example in examples], np.concatenate(vectors))


def weights_of(own: NDArray[np.bool_]) -> Floats:
    """A desk's own examples count as much as the delivered ones together, though they are fewer."""
    others = (~own).sum() / max(own.sum(), 1)
    return np.where(own, np.clip(others, 1.0, MOST_WEIGHT), 1.0)


def own_threshold(unseen: Unseen, own: NDArray[np.bool_], strangers: Floats) -> float:
    """`strangers`: the confidences that the desk's examples of unknown labels were given."""
    more = np.full(len(strangers), True)
    return choose_own_threshold(
        np.concatenate([unseen.confidence, strangers]),
        np.concatenate([unseen.correct, ~more]),
        np.concatenate([own, more]),
    )


def checked(classifier: StackedClassifier, unseen: Unseen) -> dict[str, Any]:
    truth = [classifier.labels[label] for label in unseen.truth]
    threshold = classifier.threshold
    return {
        "folds": ASIDE,
        **figures(classifier.labels, unseen.probabilities, truth, threshold=threshold),
        "threshold": round(threshold, 4) if np.isfinite(threshold) else None,
        "abstained": round(float((unseen.confidence < threshold).mean()), 4),
        "reliability": reliability(unseen.confidence, unseen.correct),
    }


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
