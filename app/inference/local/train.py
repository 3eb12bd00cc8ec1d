"""Trains the classifier from the labelled examples: `python -m app.inference.local.train [directory]`.

Deterministic on one machine and library version. Its figures are of rows unseen: no example is judged by
a model that has learned from it (`stacking`).
"""

import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from app.inference.embedding import Embedder, default_embedder
from app.inference.local.classifier import ABSTAIN_BELOW
from app.inference.local.examples import Example, examples_hash, load_examples
from app.inference.local.head import METADATA_FILE, WEIGHTS_FILE, Head, pack
from app.inference.local.reading import prepared
from app.inference.local.selective import figures, reliability
from app.inference.local.stack import StackedClassifier
from app.inference.local.stacking import ASIDE, Unseen, learn
from app.inference.local.views import Floats, Texts
from app.inference.local.vocabulary import glossed, tokens

EMBEDDED_AT_ONCE = 256


def train(
    examples: list[Example],
    embedder: Embedder,
    *,
    data_hash: str,
    own: Sequence[Example] = (),
    known_vectors: Floats | None = None,
) -> Head:
    """`own`: a desk's own examples. They are learned from like the others, but never quoted. `known_vectors`: those of
    `examples`, where they have been computed before."""
    everything = [*examples, *own]
    read_before = 0 if known_vectors is None else len(known_vectors)
    unread = [glossed(example.text) for example in everything[read_before:]]
    chunks = range(0, len(unread), EMBEDDED_AT_ONCE)
    computed = [embedder.embed(unread[start : start + EMBEDDED_AT_ONCE]) for start in chunks]
    vectors = [*([] if known_vectors is None else [known_vectors]), *computed]
    texts = Texts([prepared(tokens(example.text)) for example in everything], np.concatenate(vectors))
    classifier, unseen = learn(texts, [example.category for example in everything])
    return Head(
        classifier,
        delivered=len(examples),
        metadata={
            "embedder": embedder.name,
            "examples": len(examples),
            "examples_sha256": data_hash,
            "libraries": {name: version(name) for name in ("numpy", "scipy", "scikit-learn")},
            "cross_validation": checked(classifier, unseen),
        },
    )


def checked(classifier: StackedClassifier, unseen: Unseen) -> dict[str, Any]:
    truth = [classifier.labels[label] for label in unseen.truth]
    threshold = classifier.threshold
    return {
        "folds": ASIDE,
        **figures(classifier.labels, unseen.probabilities, truth, threshold=threshold),
        "threshold": round(threshold, 4) if np.isfinite(threshold) else None,
        "abstained": round(float((unseen.confidence < ABSTAIN_BELOW).mean()), 4),
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
