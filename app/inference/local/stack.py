"""A classifier for anybody's labelled texts: several simple judges, and a combination that learned whom to believe.

The judges are kernel ridge regressions on likeness seen in several ways (`Views`), with several kernels and strengths,
and the nearest labelled texts. Of a ridge regression it is known in closed form what it would say of some rows had it
not learned from them (An et al. 2007), and rows set aside are nobody's neighbours. So the combination is fitted on
scores of rows unseen, by judges that learned from nearly all others. A twentieth, in which the labels are mixed as
everywhere, is set aside at a time: of a single row, the labels that are left would tell which one is missing.

The answer is softmax(Σ weight · score + bias), fitted by log-loss, which makes the confidences calibrated. A label's
weights are the common ones and a deviation; how far it may deviate, and the threshold, come from cross-validation.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.linalg import blas, lapack, solve  # type: ignore[import-untyped]  # scipy ships no types
from scipy.optimize import minimize  # type: ignore[import-untyped]

from app.inference.local.linear import softmax
from app.inference.local.selective import choose_threshold
from app.inference.local.views import Floats, Integers, Texts, Views

ASIDE: Final = 20
FOLDS: Final = 5
SEED: Final = 11
FEW: Final = 5_000
"""Up to so many rows all regressions are fitted, above a choice of them: the work grows with the rows' cube."""
AT_ONCE: Final = 1_000
VOTE_SHARPNESS: Final = 8
NEAR: Final = 0.6
"""A cosine above it speaks of the same text in other words rather than of the same matter."""
SCALE: Final = 5
"""A regression's scores lie within about one; neighbours' within about five."""
SHRINK: Final = 1e-3
DEVIATIONS: Final = (0.01, 0.1, 1.0)
"""How strongly a label's weights are held to the common ones."""
STEPS: Final = 200

Report = Callable[[str], None]
Shape = Callable[[Floats], Floats]

WORDS, PIECES, SENTENCES, MEAN = 0, 1, 2, -1


def _linear(cosines: Floats) -> Floats:
    return cosines.copy()


def _squared(cosines: Floats) -> Floats:
    return cosines * cosines


def _wide(cosines: Floats) -> Floats:
    return np.exp(2 * (cosines - 1))


def _both(cosines: Floats) -> Floats:
    """Topics, and texts nearly the same."""
    return (cosines + np.exp(8 * (cosines - 1))) / 2


@dataclass(frozen=True, slots=True)
class _Kernel:
    view: int
    shape: Shape
    ridge: float
    even: bool = False
    """Rare labels are weighted up."""
    always: bool = False
    """Also with many rows."""


_KERNELS: Final = (
    _Kernel(MEAN, _linear, 0.3),
    _Kernel(MEAN, _linear, 1, always=True),
    _Kernel(MEAN, _linear, 3),
    _Kernel(MEAN, _linear, 0.5, even=True),
    _Kernel(MEAN, _squared, 0.1),
    _Kernel(MEAN, _squared, 0.3, always=True),
    _Kernel(MEAN, _squared, 1),
    _Kernel(MEAN, _squared, 0.3, even=True),
    _Kernel(MEAN, _both, 0.1, always=True),
    _Kernel(MEAN, _both, 0.3),
    _Kernel(WORDS, _linear, 1),
    _Kernel(PIECES, _squared, 0.3),
    _Kernel(SENTENCES, _wide, 0.3, always=True),
)


def _ridge(kernel: _Kernel, cosines: Floats, wanted: Floats, weights: Floats, folds: Integers) -> tuple[Floats, Floats]:
    """The coefficients, and what each row would have been given without its fold: both of shape (rows, labels)."""
    matrix = kernel.shape(cosines)
    matrix[np.diag_indices_from(matrix)] += kernel.ridge / np.sqrt(weights) if kernel.even else kernel.ridge
    # Symmetric, so the transpose is the matrix in LAPACK's order and no copy is made.
    factor, wrong = lapack.spotrf(matrix.T, lower=1, overwrite_a=1, clean=0)
    inverse, wrong_again = lapack.spotri(factor, lower=1, overwrite_c=1)
    if wrong or wrong_again:
        raise np.linalg.LinAlgError("The kernel is not positive definite.")
    coefficients = blas.ssymm(1.0, inverse, wanted, lower=1)
    unseen = wanted.copy()
    for fold in np.unique(folds):
        rows = np.flatnonzero(folds == fold)
        unseen[rows] -= solve(inverse[np.ix_(rows, rows)], coefficients[rows], lower=True, assume_a="pos")
    return coefficients, unseen


def _neighbours(cosines: Floats, truth: Integers, labels: int) -> list[Floats]:
    """Of each label: its nearest text, how much nearer than `NEAR` that is, and the votes of all its texts."""
    nearest = np.stack([cosines[:, truth == label].max(axis=1) for label in range(labels)], axis=1)
    votes = np.clip(cosines, 0, 1) ** VOTE_SHARPNESS @ np.eye(labels, dtype=np.float32)[truth] + 1e-3
    return [nearest, np.maximum(nearest - NEAR, 0), np.log(votes / votes.sum(axis=1, keepdims=True))]


@dataclass(frozen=True, slots=True)
class _Judges:
    views: Views
    truth: Integers
    labels: int
    kernels: list[tuple[_Kernel, Floats]]
    """With the coefficients, of shape (rows learned from, labels)."""

    @classmethod
    def train(cls, texts: Texts, truth: Integers, report: Report) -> tuple["_Judges", Floats]:
        """The judges, and their scores of each row when its fold is set aside."""
        rows, labels = len(truth), int(truth.max()) + 1
        chosen = [kernel for kernel in _KERNELS if kernel.always or rows <= FEW]
        folds = _folds(truth, ASIDE)
        views = Views(texts)
        seen = {kernel.view: np.empty((rows, rows), dtype=np.float32) for kernel in chosen}
        near = []
        for part in _parts(rows):
            cosines = views.cosines(texts.take(part))
            for view, matrix in seen.items():
                matrix[part] = cosines[view]
            aside = folds[part][:, None] == folds
            for matrix in cosines:
                matrix[aside] = -1
            near.append(np.stack([score for matrix in cosines for score in _neighbours(matrix, truth, labels)], axis=2))
        counts = np.bincount(truth)
        weights = (rows / labels / counts)[truth].astype(np.float32)
        wanted = np.eye(labels, dtype=np.float32)[truth] - (counts / rows).astype(np.float32)
        kernels, scores = [], [np.concatenate(near)]
        for number, kernel in enumerate(chosen):
            report(f"judge {number + 1} of {len(chosen)}")
            coefficients, unseen = _ridge(kernel, seen[kernel.view], wanted, weights, folds)
            kernels.append((kernel, coefficients))
            scores.append(SCALE * unseen[:, :, None])
        return cls(views, truth, labels, kernels), np.concatenate(scores, axis=2)

    def scores(self, texts: Texts) -> Floats:
        """Shape (texts, labels, judges)."""
        cosines = self.views.cosines(texts)
        near = [score for matrix in cosines for score in _neighbours(matrix, self.truth, self.labels)]
        ridges = [SCALE * (kernel.shape(cosines[kernel.view]) @ learned) for kernel, learned in self.kernels]
        return np.stack([*near, *ridges], axis=2)


@dataclass(frozen=True, slots=True)
class _Combination:
    weights: Floats
    """Shape (labels, judges)."""
    bias: Floats

    @classmethod
    def fit(cls, scores: Floats, truth: Integers, held: float) -> "_Combination":
        rows, labels, judges = scores.shape
        wanted = np.eye(labels)[truth]

        def parts(values: Floats) -> tuple[Floats, Floats, Floats]:
            return values[:judges], values[judges : judges + labels], values[judges + labels :].reshape(labels, judges)

        def loss(values: Floats) -> tuple[float, Floats]:
            common, bias, own = parts(values)
            expected = cls(common + own, bias).apply(scores)
            error = (expected - wanted) / rows
            slope = np.einsum("rl,rlj->lj", error, scores)
            likelihood = np.log(np.maximum(expected[np.arange(rows), truth], 1e-12)).mean()
            size = SHRINK * (common @ common + bias @ bias) + held * (own * own).sum()
            slopes = [
                slope.sum(axis=0) + SHRINK * common,
                error.sum(axis=0) + SHRINK * bias,
                (slope + held * own).ravel(),
            ]
            return float(size / 2 - likelihood), np.concatenate(slopes)

        start = np.concatenate([np.full(judges, 0.3), np.zeros(labels + labels * judges)])
        found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": STEPS}).x
        common, bias, own = parts(found)
        return cls(common + own, bias)

    def apply(self, scores: Floats) -> Floats:
        return softmax(np.einsum("rlj,lj->rl", scores, self.weights) + self.bias)


def _crossed(scores: Floats, truth: Integers, held: float) -> Floats:
    """The probabilities of each row by a combination fitted on other rows."""
    folds = _folds(truth, FOLDS)
    unseen = np.empty(scores.shape[:2])
    for fold in range(FOLDS):
        inside = folds == fold
        unseen[inside] = _Combination.fit(scores[~inside], truth[~inside], held).apply(scores[inside])
    return unseen


def _log_loss(probabilities: Floats, truth: Integers) -> float:
    return float(-np.log(np.maximum(probabilities[np.arange(len(truth)), truth], 1e-12)).mean())


@dataclass(frozen=True, slots=True)
class StackedClassifier:
    labels: tuple[str, ...]
    threshold: float
    """Confidence from which on an answer may stand without a person; infinite: never."""
    judges: _Judges
    combination: _Combination

    @classmethod
    def train(cls, texts: Texts, labels: list[str], report: Report) -> "StackedClassifier":
        """`labels` row by row: ten rows or more, two different labels, each at least twice. Deterministic. Memory:
        about four square matrices of the rows in float32, seven up to `FEW` rows."""
        names = tuple(sorted(set(labels)))
        number = {name: index for index, name in enumerate(names)}
        truth = np.asarray([number[label] for label in labels], dtype=np.int64)
        judges, scores = _Judges.train(texts, truth, report)
        report("the combination")
        deviations = DEVIATIONS if len(truth) <= FEW else DEVIATIONS[:1]
        crossed = {held: _crossed(scores, truth, held) for held in deviations}
        held = min(crossed, key=lambda one: _log_loss(crossed[one], truth))
        unseen = crossed[held]
        threshold = choose_threshold(unseen.max(axis=1), unseen.argmax(axis=1) == truth)
        return cls(names, threshold, judges, _Combination.fit(scores, truth, held))

    def probabilities(self, texts: Texts) -> Floats:
        """Shape (texts, labels)."""
        parts = [self.judges.scores(texts.take(rows)) for rows in _parts(len(texts.words))]
        return np.concatenate([self.combination.apply(scores) for scores in parts])


def _parts(rows: int) -> list[Integers]:
    return [np.arange(start, min(start + AT_ONCE, rows)) for start in range(0, rows, AT_ONCE)]


def _folds(truth: Integers, parts: int) -> Integers:
    """Every label is spread over the folds as evenly as can be: one met twice is never missing outside a fold."""
    order = np.random.default_rng(SEED).permutation(len(truth))
    order = order[np.argsort(truth[order], kind="stable")]
    folds = np.empty(len(truth), dtype=np.int64)
    folds[order] = np.arange(len(truth)) % parts
    return folds
