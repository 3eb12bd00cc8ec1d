"""A classifier for anybody's labelled texts: several simple judges, and a combination that learned whom to believe.

The judges are kernel ridge regressions on likeness seen in several ways (`Views`), with several kernels and strengths,
and the nearest labelled texts. The answer is softmax(Σ weight · score + bias), of which a small part is given to all
labels alike: a text is never told with certainty. Here it answers; `stacking` is how it learns.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from app.inference.local.views import Floats, Integers, Texts, Views

AT_ONCE: Final = 1_000
VOTE_SHARPNESS: Final = 8
NEAR: Final = 0.6
"""A cosine above it speaks of the same text in other words rather than of the same matter."""
SCALE: Final = 5
"""A regression's scores lie within about one; neighbours' within about five."""

WORDS, PIECES, SENTENCES, MEAN = 0, 1, 2, -1

Shape = Callable[[Floats], Floats]


def _linear(cosines: Floats) -> Floats:
    return cosines.copy()


def _squared(cosines: Floats) -> Floats:
    return cosines * cosines


def _wide(cosines: Floats) -> Floats:
    return np.exp(2 * (cosines - 1))


def _both(cosines: Floats) -> Floats:
    """Topics, and texts nearly the same."""
    return (cosines + np.exp(8 * (cosines - 1))) / 2


SHAPES: Final[Mapping[str, Shape]] = {"linear": _linear, "squared": _squared, "wide": _wide, "both": _both}


def softmax(logits: Floats) -> Floats:
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


def neighbours(cosines: Floats, truth: Integers, labels: int) -> list[Floats]:
    """Of each label: its nearest text, how much nearer than `NEAR` that is, and the votes of all its texts."""
    nearest = np.stack([cosines[:, truth == label].max(axis=1) for label in range(labels)], axis=1)
    votes = np.clip(cosines, 0, 1) ** VOTE_SHARPNESS @ np.eye(labels, dtype=np.float32)[truth] + 1e-3
    return [nearest, np.maximum(nearest - NEAR, 0), np.log(votes / votes.sum(axis=1, keepdims=True))]


@dataclass(frozen=True, slots=True)
class Regression:
    view: int
    shape: str
    coefficients: Floats
    """Shape (rows learned from, labels)."""

    def scores(self, cosines: list[Floats]) -> Floats:
        return np.asarray(SCALE * (SHAPES[self.shape](cosines[self.view]) @ self.coefficients))


@dataclass(frozen=True, slots=True)
class Judges:
    views: Views
    truth: Integers
    """Of the rows learned from: which label."""
    labels: int
    regressions: list[Regression]

    def scores(self, texts: Texts) -> Floats:
        """Shape (texts, labels, judges)."""
        cosines = self.views.cosines(texts)
        near = [score for matrix in cosines for score in neighbours(matrix, self.truth, self.labels)]
        return np.stack([*near, *(one.scores(cosines) for one in self.regressions)], axis=2)


@dataclass(frozen=True, slots=True)
class Combination:
    weights: Floats
    """Shape (labels, judges)."""
    bias: Floats
    doubt: float = 0.0
    """The part of each answer that is given to all labels alike."""

    def apply(self, scores: Floats) -> Floats:
        sure = softmax(np.einsum("rlj,lj->rl", scores, self.weights) + self.bias)
        return np.asarray((1 - self.doubt) * sure + self.doubt / sure.shape[1])


@dataclass(frozen=True, slots=True)
class StackedClassifier:
    """Safe to use from several threads."""

    labels: tuple[str, ...]
    threshold: float
    """Confidence from which on an answer may stand without a person; infinite: never."""
    judges: Judges
    combination: Combination

    def probabilities(self, texts: Texts) -> Floats:
        """Shape (texts, labels)."""
        parts = [self.judges.scores(texts.take(rows)) for rows in in_parts(len(texts.words))]
        return np.concatenate([self.combination.apply(scores) for scores in parts])


def in_parts(rows: int) -> list[Integers]:
    return [np.arange(start, min(start + AT_ONCE, rows)) for start in range(0, rows, AT_ONCE)]
