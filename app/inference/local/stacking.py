"""How the stacked classifier learns: in closed form, and from nothing that it is then judged by.

Of a ridge regression it is known in closed form what it would say of some rows had it not learned from them (An et al.
2007), and rows set aside are nobody's neighbours, nor do they tell which terms are
known: a new text is seen without those that no other has, and is more alike to all for it. So the combination is fitted
on scores of rows unseen, by judges that learned from nearly all others. A twentieth, in which the labels are mixed as
everywhere, is set aside at a time: of a single row, the labels that are left would tell which one is missing.

The combination is fitted by log-loss, which makes the confidences calibrated. A label's weights are the common ones and
a deviation; how far it may deviate, how much is doubted, and the threshold, come from cross-validation.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, lapack, solve  # type: ignore[import-untyped]  # scipy ships no types
from scipy.optimize import minimize  # type: ignore[import-untyped]

from app.inference.local.selective import choose_threshold
from app.inference.local.stack import (
    MEAN,
    PIECES,
    SCALE,
    SENTENCES,
    SHAPES,
    WORDS,
    Combination,
    Judges,
    Regression,
    StackedClassifier,
    in_parts,
    neighbours,
)
from app.inference.local.views import Floats, Integers, Texts, Views

ASIDE: Final = 20
FOLDS: Final = 5
SEED: Final = 11
FEW: Final = 5_000
"""Up to so many rows all regressions are fitted, above a choice of them: the work grows with the rows' cube."""
SHRINK: Final = 1e-3
DEVIATIONS: Final = (0.01, 0.1, 1.0)
"""How strongly a label's weights are held to the common ones."""
DOUBTS: Final = (0.002, 0.005, 0.01, 0.02, 0.03)
STEPS: Final = 200

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Kernel:
    view: int
    shape: str
    ridge: float
    even: bool = False
    """Rare labels are weighted up."""
    always: bool = False
    """Also with many rows."""


_KERNELS: Final = (
    _Kernel(MEAN, "linear", 0.3),
    _Kernel(MEAN, "linear", 1, always=True),
    _Kernel(MEAN, "linear", 3),
    _Kernel(MEAN, "linear", 0.5, even=True),
    _Kernel(MEAN, "squared", 0.1),
    _Kernel(MEAN, "squared", 0.3, always=True),
    _Kernel(MEAN, "squared", 1),
    _Kernel(MEAN, "squared", 0.3, even=True),
    _Kernel(MEAN, "both", 0.1, always=True),
    _Kernel(MEAN, "both", 0.3),
    _Kernel(WORDS, "linear", 1),
    _Kernel(PIECES, "squared", 0.3),
    _Kernel(SENTENCES, "wide", 0.3, always=True),
)


@dataclass(frozen=True, slots=True)
class Unseen:
    """What is said of each row learned from by a classifier that did not learn from it."""

    probabilities: Floats
    truth: Integers
    shares: Floats
    """How much each row counts; together one."""

    def take(self, rows: NDArray[np.bool_]) -> "Unseen":
        return Unseen(self.probabilities[rows], self.truth[rows], self.shares[rows] / self.shares[rows].sum())

    @property
    def confidence(self) -> Floats:
        return np.asarray(self.probabilities.max(axis=1))

    @property
    def correct(self) -> NDArray[np.bool_]:
        return np.asarray(self.probabilities.argmax(axis=1) == self.truth)

    @property
    def log_loss(self) -> float:
        right = self.probabilities[np.arange(len(self.truth)), self.truth]
        return float(-self.shares @ np.log(np.maximum(right, 1e-12)))


def learn(
    texts: Texts, labels: list[str], report: Report = lambda _: None, weights: Floats | None = None
) -> tuple[StackedClassifier, Unseen]:
    """`labels` row by row: ten rows or more, two different labels, each at least twice. `weights`: how much each row
    counts when judges are combined; all alike, if they are not given. Deterministic. Memory: about six square matrices
    of the rows in float32, ten up to `FEW` rows."""
    names = tuple(sorted(set(labels)))
    number = {name: index for index, name in enumerate(names)}
    truth = np.asarray([number[label] for label in labels], dtype=np.int64)
    judges, scores = train_judges(texts, truth, report)
    report("the combination")
    deviations = DEVIATIONS if len(truth) <= FEW else DEVIATIONS[:1]
    shares = np.full(len(truth), 1 / len(truth)) if weights is None else weights / weights.sum()
    crossed = {held: _crossed(scores, truth, held, shares) for held in deviations}
    held = min(crossed, key=lambda one: crossed[one].log_loss)
    doubted = {doubt: _doubted(crossed[held], doubt) for doubt in DOUBTS}
    doubt = min(doubted, key=lambda one: doubted[one].log_loss)
    unseen = doubted[doubt]
    threshold = choose_threshold(unseen.confidence, unseen.correct)
    combination = replace(fit_combination(scores, truth, held, shares), doubt=doubt)
    return StackedClassifier(names, threshold, judges, combination), unseen


def train_judges(texts: Texts, truth: Integers, report: Report) -> tuple[Judges, Floats]:
    """The judges, and their scores of each row when its fold is set aside."""
    rows, labels = len(truth), int(truth.max()) + 1
    chosen = [kernel for kernel in _KERNELS if kernel.always or rows <= FEW]
    folds = _folds(truth, ASIDE)
    views = Views.fit(texts)
    learned, new = views.learned(), views.unseen(folds)
    used = {kernel.view for kernel in chosen}
    known, seen = ({view: np.empty((rows, rows), dtype=np.float32) for view in used} for _ in range(2))
    near = []
    for part in in_parts(rows):
        cosines = views.alike([one[part] for one in learned])
        for view, matrix in known.items():
            matrix[part] = cosines[view]
        cosines = views.alike([one[part] for one in new])
        for view, matrix in seen.items():
            matrix[part] = cosines[view]
        aside = folds[part][:, None] == folds
        for matrix in cosines:
            matrix[aside] = -1
        near.append(np.stack([score for matrix in cosines for score in neighbours(matrix, truth, labels)], axis=2))
    counts = np.bincount(truth)
    weights = (rows / labels / counts)[truth].astype(np.float32)
    wanted = np.eye(labels, dtype=np.float32)[truth] - (counts / rows).astype(np.float32)
    regressions, scores = [], [np.concatenate(near)]
    for number, kernel in enumerate(chosen):
        report(f"judge {number + 1} of {len(chosen)}")
        coefficients, unseen = _ridge(kernel, known[kernel.view], seen[kernel.view], wanted, weights, folds)
        regressions.append(Regression(kernel.view, kernel.shape, coefficients))
        scores.append(SCALE * unseen[:, :, None])
    return Judges(views, truth, labels, regressions), np.concatenate(scores, axis=2)


def _ridge(
    kernel: _Kernel, known: Floats, seen: Floats, wanted: Floats, weights: Floats, folds: Integers
) -> tuple[Floats, Floats]:
    """The coefficients, and what each row would have been given without its fold: both of shape (rows, labels).
    `known`: cosines among the rows; `seen`: of each, as a new text, with all."""
    matrix = SHAPES[kernel.shape](known)
    matrix[np.diag_indices_from(matrix)] += kernel.ridge / np.sqrt(weights) if kernel.even else kernel.ridge
    # Symmetric, so the transpose is the matrix in LAPACK's order and no copy is made.
    factor, wrong = lapack.spotrf(matrix.T, lower=1, overwrite_a=1, clean=0)
    inverse, wrong_again = lapack.spotri(factor, lower=1, overwrite_c=1)
    if wrong or wrong_again:
        raise np.linalg.LinAlgError("The kernel is not positive definite.")
    coefficients = blas.ssymm(1.0, inverse, wanted, lower=1)
    unseen = np.empty_like(wanted)
    for fold in np.unique(folds):
        rows = np.flatnonzero(folds == fold)
        # Only the lower triangle is filled.
        columns = np.where(np.arange(len(folds))[:, None] >= rows, inverse[:, rows], inverse[rows].T)
        without = coefficients - columns @ solve(columns[rows], coefficients[rows], assume_a="pos")
        unseen[rows] = SHAPES[kernel.shape](seen[rows]) @ without
    return coefficients, unseen


def fit_combination(scores: Floats, truth: Integers, held: float, shares: Floats) -> Combination:
    """`shares`: how much each row counts; together one."""
    rows, labels, judges = scores.shape
    wanted = np.eye(labels)[truth]

    def parts(values: Floats) -> tuple[Floats, Floats, Floats]:
        return values[:judges], values[judges : judges + labels], values[judges + labels :].reshape(labels, judges)

    def loss(values: Floats) -> tuple[float, Floats]:
        common, bias, own = parts(values)
        expected = Combination(common + own, bias).apply(scores)
        error = (expected - wanted) * shares[:, None]
        slope = np.einsum("rl,rlj->lj", error, scores)
        likelihood = shares @ np.log(np.maximum(expected[np.arange(rows), truth], 1e-12))
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
    return Combination(common + own, bias)


def _crossed(scores: Floats, truth: Integers, held: float, shares: Floats) -> Unseen:
    """Of each row by a combination fitted on other rows."""
    folds = _folds(truth, FOLDS)
    unseen = np.empty(scores.shape[:2])
    for fold in range(FOLDS):
        inside = folds == fold
        others = shares[~inside] / shares[~inside].sum()
        unseen[inside] = fit_combination(scores[~inside], truth[~inside], held, others).apply(scores[inside])
    return Unseen(unseen, truth, shares)


def _doubted(unseen: Unseen, doubt: float) -> Unseen:
    labels = unseen.probabilities.shape[1]
    return replace(unseen, probabilities=(1 - doubt) * unseen.probabilities + doubt / labels)


def _folds(truth: Integers, parts: int) -> Integers:
    """Every label is spread over the folds as evenly as can be: one met twice is never missing outside a fold."""
    order = np.random.default_rng(SEED).permutation(len(truth))
    order = order[np.argsort(truth[order], kind="stable")]
    folds = np.empty(len(truth), dtype=np.int64)
    folds[order] = np.arange(len(truth)) % parts
    return folds
