"""The classifier of `evidesk classifier evaluate` beside the two that anybody would try first, on the same rows.

Needs the labelled tickets in `../shared/data`, which are not part of the repository; without them it says so.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline

from app.commands.classifier import Table, embedded, learnable, read
from app.inference.local.selective import Floats, choose_threshold, figures
from app.inference.local.stack import Integers, StackedClassifier, Texts
from bench.report import Figures
from bench.stack import ROOT

TICKETS = ROOT.parent / "shared" / "data" / "tickets"
SETS = [
    ("queue, 10 labels, five languages", "tobi_bueck_train.csv", ["subject", "body"], "queue"),
    ("type, 4 labels, five languages", "tobi_bueck_train.csv", ["subject", "body"], "type"),
    ("GitHub issues, 3 labels", "nlbse2024_train.csv", ["title", "body"], "label"),
]
TEST_PART = 0.2
SEED = 5
FOLDS = 5


@dataclass(frozen=True, slots=True)
class _Rows:
    texts: Texts
    labels: list[str]

    def take(self, rows: Integers) -> "_Rows":
        return _Rows(self.texts.take(rows), [self.labels[row] for row in rows])


Peer = Callable[[_Rows, _Rows], tuple[tuple[str, ...], Floats]]
"""Trains on the first, and gives labels and probabilities for the second."""


def _words(train: _Rows, test: _Rows) -> tuple[tuple[str, ...], Floats]:
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(max_iter=1000))
    model.fit(train.texts.words, train.labels)
    return tuple(model.classes_), model.predict_proba(test.texts.words)


def _sentences(train: _Rows, test: _Rows) -> tuple[tuple[str, ...], Floats]:
    model = LogisticRegression(max_iter=1000).fit(train.texts.vectors, train.labels)
    return tuple(model.classes_), model.predict_proba(test.texts.vectors)


def _judged(peer: Peer, train: _Rows, test: _Rows) -> dict[str, float | int | None]:
    """With a threshold chosen as ours is, on rows of `train` that the peer had not seen."""
    folds = np.random.default_rng(SEED).permutation(len(train.labels)) % FOLDS
    confidence, correct = np.empty(len(folds)), np.empty(len(folds), dtype=bool)
    for fold in range(FOLDS):
        inside, outside = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        unseen = train.take(inside)
        labels, probabilities = peer(train.take(outside), unseen)
        guessed = [labels[index] for index in probabilities.argmax(axis=1)]
        confidence[inside] = probabilities.max(axis=1)
        correct[inside] = [guess == label for guess, label in zip(guessed, unseen.labels, strict=True)]
    labels, probabilities = peer(train, test)
    return figures(labels, probabilities, test.labels, threshold=choose_threshold(confidence, correct))


def _ours(train: _Rows, test: _Rows) -> dict[str, float | int | None]:
    trained = StackedClassifier.train(train.texts, train.labels, lambda part: print(part, file=sys.stderr))
    return figures(trained.labels, trained.probabilities(test.texts), test.labels, threshold=trained.threshold)


def run() -> Figures:
    rows: list[list[str]] = []
    vectors: dict[str, Floats] = {}
    for title, file, columns, label in SETS:
        if not (TICKETS / file).exists():
            print(f"{TICKETS / file} is absent: left out", file=sys.stderr)
            continue
        table: Table = learnable(read(TICKETS / file, columns, label))
        if file not in vectors:
            vectors[file] = embedded(table.texts).vectors
        everything = _Rows(Texts(table.texts, vectors[file]), table.labels)
        split = StratifiedShuffleSplit(1, test_size=TEST_PART, random_state=SEED)
        first, second = next(split.split(table.labels, table.labels))
        train, test = everything.take(first), everything.take(second)
        for name, judge in (
            ("TF-IDF + logistic regression", partial(_judged, _words)),
            ("MiniLM + logistic regression", partial(_judged, _sentences)),
            ("Evidesk", _ours),
        ):
            at = time.perf_counter()
            found = judge(train, test)
            rows.append(
                [title, name, *(_shown(found[figure]) for figure in _COLUMNS), f"{time.perf_counter() - at:.0f}"]
            )
    return Figures(
        "Classifier on one's own export",
        ["what", "classifier", *_COLUMNS, "seconds"],
        rows,
        [
            f"{1 - TEST_PART:.0%} of the rows to learn from, the rest to judge on, drawn once (seed {SEED}).",
            "The threshold of each is chosen in the same way, on what it learned from alone.",
            "Seconds: training with its cross-validation and judging, without the sentence vectors.",
        ],
    )


_COLUMNS = ["accuracy", "macro_f1", "ece", "coverage_at_90", "selective_accuracy", "n"]


def _shown(value: float | int | None) -> str:
    return "–" if value is None else str(value) if isinstance(value, int) else f"{value:.3f}"
