"""A classifier for anybody's labelled texts: several simple judges, and a combination that learned whom to believe.

Linear machines and complement naive Bayes read words and pieces of words, a logistic regression reads sentence
vectors, and neighbours in all three spaces find texts met before. Each judge gives every label a score; the answer is
softmax(Σ weight · score + bias of the label). The weights are fitted on scores of rows that the judges had not seen, by
log-loss, so that the probabilities are calibrated without a further step. The threshold, too, comes from such rows.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize  # type: ignore[import-untyped]  # scipy ships no types
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import ComplementNB
from sklearn.svm import LinearSVC

from app.inference.local.linear import softmax
from app.inference.local.selective import choose_threshold

FOLDS: Final = 5
SEED: Final = 11
MAX_CHARS: Final = 20_000
MAX_PIECES: Final = 100_000
MANY: Final = 200
"""From so many texts on, a term must be met in more than one of them to count."""
VOTE_SHARPNESS: Final = 8
NEAR: Final = 0.6
"""A cosine above it speaks of the same text in other words rather than of the same matter."""
SHRINK: Final = 1e-3

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.int64]
Report = Callable[[str], None]

_WORD = re.compile(r"\w\w")


def cleaned(text: str) -> str:
    r"""Exports often hold a literal `\n`. A text without words becomes one word of its own."""
    text = text[:MAX_CHARS].replace("\\r", " ").replace("\\n", "\n")
    return text if _WORD.search(text) else "withoutwords"


@dataclass(frozen=True, slots=True)
class Texts:
    """Cleaned texts and their sentence vectors, row by row."""

    words: list[str]
    vectors: Floats

    def take(self, rows: Integers) -> "Texts":
        return Texts([self.words[row] for row in rows], self.vectors[rows])


class _Judges:
    """All judges, trained on the same rows. Needs every label at least once."""

    def __init__(self, texts: Texts, truth: Integers) -> None:
        least = 2 if len(truth) >= MANY else 1
        self._truth = truth
        self._labels = int(truth.max()) + 1
        self._word = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=least)
        self._piece = TfidfVectorizer(
            analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, min_df=least, max_features=MAX_PIECES
        )
        self._words = self._word.fit_transform(texts.words)
        self._pieces = self._piece.fit_transform(texts.words)
        self._vectors = texts.vectors
        self._plain = LinearSVC(C=0.5, random_state=SEED, max_iter=5000).fit(self._words, truth)
        self._even = LinearSVC(C=0.5, class_weight="balanced", random_state=SEED, max_iter=5000).fit(self._words, truth)
        self._of_pieces = LinearSVC(C=0.5, random_state=SEED, max_iter=5000).fit(self._pieces, truth)
        self._bayes = ComplementNB(alpha=0.1).fit(self._words, truth)
        self._sentence = LogisticRegression(C=10, max_iter=2000).fit(self._vectors, truth)

    def scores(self, texts: Texts) -> Floats:
        """Shape (texts, judges, labels)."""
        words, pieces = self._word.transform(texts.words), self._piece.transform(texts.words)
        judged = [
            _wide(self._plain.decision_function(words)),
            _wide(self._even.decision_function(words)),
            _wide(self._of_pieces.decision_function(pieces)),
            self._bayes.predict_log_proba(words),
            np.log(softmax(_wide(self._sentence.decision_function(texts.vectors))) + 1e-9),
            *self._neighbours((words @ self._words.T).toarray()),
            *self._neighbours((pieces @ self._pieces.T).toarray()),
            *self._neighbours(texts.vectors @ self._vectors.T),
        ]
        return np.stack(judged, axis=1).astype(np.float32)

    def _neighbours(self, cosines: Floats) -> tuple[Floats, Floats, Floats]:
        """Of each label: its nearest text, how much nearer than `NEAR` that is, and the votes of all its texts."""
        nearest = np.stack([cosines[:, self._truth == label].max(axis=1) for label in range(self._labels)], axis=1)
        votes = np.clip(cosines, 0, 1) ** VOTE_SHARPNESS @ np.eye(self._labels)[self._truth] + 1e-3
        return nearest, np.maximum(nearest - NEAR, 0), np.log(votes / votes.sum(axis=1, keepdims=True))


@dataclass(frozen=True, slots=True)
class _Combination:
    weights: Floats
    """One for each judge: they are the same for all labels, so that rare labels profit from the frequent ones."""
    bias: Floats

    @classmethod
    def fit(cls, scores: Floats, truth: Integers) -> "_Combination":
        rows, judges, labels = scores.shape
        wanted = np.eye(labels)[truth]

        def loss(values: Floats) -> tuple[float, Floats]:
            expected = softmax(np.einsum("rjl,j->rl", scores, values[:judges]) + values[judges:])
            error = expected - wanted
            slope = np.concatenate([np.einsum("rl,rjl->j", error, scores), error.sum(axis=0)]) / rows
            likelihood = np.log(np.maximum(expected[np.arange(rows), truth], 1e-12)).mean()
            return float(SHRINK * (values @ values) / 2 - likelihood), slope + SHRINK * values

        start = np.concatenate([np.full(judges, 0.3), np.zeros(labels)])
        found = minimize(loss, start, jac=True, method="L-BFGS-B").x
        return cls(found[:judges], found[judges:])

    def apply(self, scores: Floats) -> Floats:
        return softmax(np.einsum("rjl,j->rl", scores, self.weights) + self.bias)


@dataclass(frozen=True, slots=True)
class StackedClassifier:
    labels: tuple[str, ...]
    threshold: float
    """Confidence from which on an answer may stand without a person; infinite: never."""
    judges: _Judges
    combination: _Combination

    @classmethod
    def train(cls, texts: Texts, labels: list[str], report: Report) -> "StackedClassifier":
        """`labels` row by row: ten rows or more, two different labels, each at least twice. Deterministic."""
        names = tuple(sorted(set(labels)))
        number = {name: index for index, name in enumerate(names)}
        truth = np.asarray([number[label] for label in labels], dtype=np.int64)
        folds = _folds(truth)
        parts = []
        for fold in range(FOLDS):
            report(f"part {fold + 1} of {FOLDS}")
            inside, outside = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
            parts.append(_Judges(texts.take(outside), truth[outside]).scores(texts.take(inside)))
        scores = np.empty((len(truth), *parts[0].shape[1:]), dtype=np.float32)
        for fold, part in enumerate(parts):
            scores[folds == fold] = part
        unseen = np.empty((len(truth), len(names)))
        for fold in range(FOLDS):
            inside_fold = folds == fold
            fitted = _Combination.fit(scores[~inside_fold], truth[~inside_fold])
            unseen[inside_fold] = fitted.apply(scores[inside_fold])
        report("the whole")
        return cls(
            names,
            choose_threshold(unseen.max(axis=1), unseen.argmax(axis=1) == truth),
            _Judges(texts, truth),
            _Combination.fit(scores, truth),
        )

    def probabilities(self, texts: Texts) -> Floats:
        """Shape (texts, labels)."""
        return self.combination.apply(self.judges.scores(texts))


def _folds(truth: Integers) -> Integers:
    """Every label is spread over the folds as evenly as can be: one met twice is never missing outside a fold."""
    order = np.random.default_rng(SEED).permutation(len(truth))
    order = order[np.argsort(truth[order], kind="stable")]
    folds = np.empty(len(truth), dtype=np.int64)
    folds[order] = np.arange(len(truth)) % FOLDS
    return folds


def _wide(decision: Floats) -> Floats:
    """scikit-learn gives one column for two labels."""
    return decision if decision.ndim > 1 else np.stack([-decision, decision], axis=1)
