"""The classifier of `evidesk classifier evaluate` beside those that anybody would try first, on the same rows; and the
desk's own, which starts from the delivered examples.

Needs the labelled tickets in `../shared/data`, which are not part of the repository; without them it says so.
`BENCH_SEEDS` (5,6,7) names the splits; `BENCH_VECTORS`, a directory, keeps the sentence vectors for the next run.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import hstack  # type: ignore[import-untyped]  # scipy ships no types
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline

from app.commands.classifier import Table, embedded, learnable, read
from app.inference.embedding import default_embedder
from app.inference.local import reading
from app.inference.local.examples import load_examples
from app.inference.local.selective import calibration_error, choose_own_threshold, figures
from app.inference.local.stacking import learn
from app.inference.local.train import own_threshold, weights_of
from app.inference.local.views import Floats, Integers, Texts
from bench.report import Figures
from bench.stack import ROOT

TICKETS = ROOT.parent / "shared" / "data" / "tickets"
SETS = [
    ("queue, 10 labels, five languages", "tobi_bueck_train.csv", ["subject", "body"], "queue"),
    ("type, 4 labels, five languages", "tobi_bueck_train.csv", ["subject", "body"], "type"),
    ("priority, 3 labels, five languages", "tobi_bueck_train.csv", ["subject", "body"], "priority"),
    ("GitHub issues, 3 labels", "nlbse2024_train.csv", ["title", "body"], "label"),
    ("banking questions, 77 labels", "banking77_train.csv", ["text"], "category"),
]
DESK = ("tobi_bueck_train.csv", ["subject", "body"], "queue")
DESK_ROWS = (200, 800)
DESK_TESTED = 300
CHUNK = 64
TEST_PART = 0.2
SEEDS = [int(seed) for seed in os.environ.get("BENCH_SEEDS", "5,6,7").split(",")]
VECTORS = os.environ.get("BENCH_VECTORS")
FOLD_SEED = 5
FOLDS = 5
SIMULATIONS = 100


@dataclass(frozen=True, slots=True)
class _Rows:
    texts: Texts
    labels: list[str]

    def take(self, rows: Integers) -> "_Rows":
        return _Rows(self.texts.take(rows), [self.labels[row] for row in rows])

    def and_(self, more: "_Rows") -> "_Rows":
        texts = Texts(self.texts.words + more.texts.words, np.concatenate([self.texts.vectors, more.texts.vectors]))
        return _Rows(texts, self.labels + more.labels)


_Found = dict[str, float | int | None]
Peer = Callable[[_Rows, _Rows], tuple[tuple[str, ...], Floats]]
"""Trains on the first, and gives labels and probabilities for the second."""


def _words(train: _Rows, test: _Rows) -> tuple[tuple[str, ...], Floats]:
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(max_iter=1000))
    model.fit(train.texts.words, train.labels)
    return tuple(model.classes_), model.predict_proba(test.texts.words)


def _sentences(train: _Rows, test: _Rows) -> tuple[tuple[str, ...], Floats]:
    model = LogisticRegression(max_iter=1000).fit(train.texts.vectors, train.labels)
    return tuple(model.classes_), model.predict_proba(test.texts.vectors)


def _both(train: _Rows, test: _Rows) -> tuple[tuple[str, ...], Floats]:
    terms = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2).fit(train.texts.words)
    seen, unseen = (hstack([terms.transform(one.texts.words), one.texts.vectors]).tocsr() for one in (train, test))
    model = LogisticRegression(C=8, max_iter=2000).fit(seen, train.labels)
    return tuple(model.classes_), model.predict_proba(unseen)


def _judged(peer: Peer, train: _Rows, test: _Rows, own: NDArray[np.bool_]) -> _Found:
    """With a threshold chosen as ours is, on rows of `train` that the peer had not seen. `own`: which of them are the
    desk's; all, where nothing is delivered."""
    folds = np.random.default_rng(FOLD_SEED).permutation(len(train.labels)) % FOLDS
    confidence, correct = np.empty(len(folds)), np.empty(len(folds), dtype=bool)
    for fold in range(FOLDS):
        inside, outside = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        unseen = train.take(inside)
        labels, probabilities = peer(train.take(outside), unseen)
        guessed = [labels[index] for index in probabilities.argmax(axis=1)]
        confidence[inside] = probabilities.max(axis=1)
        correct[inside] = [guess == label for guess, label in zip(guessed, unseen.labels, strict=True)]
    labels, probabilities = peer(train, test)
    return _figures(labels, probabilities, test.labels, choose_own_threshold(confidence, correct, own))


def _figures(labels: tuple[str, ...], probabilities: Floats, truth: list[str], threshold: float) -> _Found:
    draws = np.random.default_rng(FOLD_SEED).random((SIMULATIONS, len(truth)))
    chances = [calibration_error(probabilities, draw < probabilities.max(axis=1)) for draw in draws]
    return {**figures(labels, probabilities, truth, threshold=threshold), "chance": fmean(chances)}


def _ours(train: _Rows, test: _Rows, own: NDArray[np.bool_]) -> _Found:
    trained, unseen = learn(train.texts, train.labels, lambda part: print(part, file=sys.stderr), weights_of(own))
    threshold = own_threshold(unseen, own, np.empty(0))
    return _figures(trained.labels, trained.probabilities(test.texts), test.labels, threshold)


def _vectors(file: str, texts: list[str]) -> Floats:
    kept = Path(VECTORS) / f"{file}.npy" if VECTORS else None
    if kept is not None and kept.exists():
        return np.asarray(np.load(kept))
    vectors = embedded(texts).vectors
    if kept is not None:
        np.save(kept, vectors)
    return vectors


_JUDGES: list[tuple[str, Callable[[_Rows, _Rows, NDArray[np.bool_]], _Found]]] = [
    ("TF-IDF + logistic regression", partial(_judged, _words)),
    ("MiniLM + logistic regression", partial(_judged, _sentences)),
    ("both + logistic regression", partial(_judged, _both)),
    ("Evidesk", _ours),
]


_Set = tuple[str, _Rows, _Rows | None]
"""Title, the rows to part, and what is learned from besides."""


def _exports() -> Iterator[_Set]:
    for title, file, columns, label in SETS:
        if (table := _table(file, columns, label)) is not None:
            yield title, _Rows(Texts(table.texts, _vectors(file, table.texts)), table.labels), None


def _desks() -> Iterator[_Set]:
    """A desk of which so many reports were judged: read as the product reads them."""
    delivered = load_examples()
    given = _read([one.text for one in delivered], [one.category for one in delivered])
    for number in DESK_ROWS:
        if (table := _table(*DESK)) is not None:
            chosen = np.random.default_rng(FOLD_SEED).permutation(len(table.labels))[: number + DESK_TESTED]
            own = _read([table.texts[row] for row in chosen], [table.labels[row] for row in chosen])
            yield f"queues of a desk, {number} judged beside {len(delivered)} delivered examples", own, given


def _table(file: str, columns: list[str], label: str) -> Table | None:
    if (TICKETS / file).exists():
        return learnable(read(TICKETS / file, columns, label))
    print(f"{TICKETS / file} is absent: left out", file=sys.stderr)
    return None


def _read(texts: list[str], labels: list[str]) -> _Rows:
    chunks = [reading.read(texts[at : at + CHUNK], default_embedder()) for at in range(0, len(texts), CHUNK)]
    vectors = np.concatenate([chunk.vectors for chunk in chunks])
    return _Rows(Texts([words for chunk in chunks for words in chunk.words], vectors), labels)


def run() -> Figures:
    return _measured("Classifier on one's own export", _exports())


def run_desk() -> Figures:
    return _measured("Classifier of a desk that has judged", _desks())


def _measured(heading: str, sets: Iterator[_Set]) -> Figures:
    rows: list[list[str]] = []
    for title, everything, given in sets:
        found: dict[str, list[_Found]] = {name: [] for name, _ in _JUDGES}
        for seed in SEEDS:
            part = TEST_PART if given is None else DESK_TESTED
            split = StratifiedShuffleSplit(1, test_size=part, random_state=seed)
            first, second = next(split.split(everything.labels, everything.labels))
            train, test = everything.take(first), everything.take(second)
            train = train if given is None else given.and_(train)
            own = np.arange(len(train.labels)) >= (0 if given is None else len(given.labels))
            for name, judge in _JUDGES:
                at = time.perf_counter()
                found[name].append({**judge(train, test, own), "seconds": time.perf_counter() - at})
                print(title, name, seed, found[name][-1], file=sys.stderr)
        rows.extend([title, name, *(_shown(several, figure) for figure in _COLUMNS)] for name, several in found.items())
    return Figures(
        heading,
        ["what", "classifier", *_COLUMNS],
        rows,
        [
            f"`n` rows to judge on, of an export {TEST_PART:.0%}, the others to learn from; means of seeds {SEEDS}.",
            "The threshold of each is chosen in the same way on what it learned from alone, of a desk on its own rows.",
            "`chance`: the `ece` that confidences would show at that `n` if they were exactly right (simulated).",
            "Seconds: training with its cross-validation and judging, without the sentence vectors.",
        ],
    )


_COLUMNS = ["accuracy", "macro_f1", "ece", "chance", "coverage_at_90", "selective_accuracy", "n", "seconds"]


def _shown(found: list[_Found], figure: str) -> str:
    values = [value for one in found if (value := one[figure]) is not None]
    return "–" if not values else f"{fmean(values):.{0 if figure in ('n', 'seconds') else 3}f}"
