"""How far probabilities may be trusted: calibration error, and the confidence from which an answer may stand alone."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit  # type: ignore[import-untyped]  # scipy ships no types
from scipy.stats import beta  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

WANTED_ACCURACY: Final = 0.9
"""Of what is decided without a person."""
CERTAINTY: Final = 0.95
"""How sure a threshold is to keep `WANTED_ACCURACY` on rows like those it was chosen on."""
ENOUGH: Final = 100
"""So many rows of somebody's own set their threshold alone, even if they set none."""
BINS: Final = 15
CURVE_BINS: Final = 10

Floats = NDArray[np.floating[Any]]


def calibration_error(probabilities: Floats, correct: NDArray[np.bool_], bins: int = BINS) -> float:
    """Mean gap between confidence and accuracy over equal-width bins, weighted by how many fall into each."""
    confidence = probabilities.max(axis=1)
    bin_of = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gaps = [
        abs(confidence[bin_of == number].mean() - correct[bin_of == number].mean()) * (bin_of == number).mean()
        for number in np.unique(bin_of)
    ]
    return float(sum(gaps))


def reliability(confidence: Floats, correct: NDArray[np.bool_], bins: int = CURVE_BINS) -> list[dict[str, float | int]]:
    """The curve behind the calibration error: for each bin that holds an answer, mean confidence and share right."""
    bin_of = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    return [
        {
            "least": round(number / bins, 4),
            "most": round((number + 1) / bins, 4),
            "count": int((bin_of == number).sum()),
            "confidence": round(float(confidence[bin_of == number].mean()), 4),
            "accuracy": round(float(correct[bin_of == number].mean()), 4),
        }
        for number in map(int, np.unique(bin_of))
    ]


def choose_threshold(confidence: Floats, correct: NDArray[np.bool_]) -> float:
    """The lowest confidence from which on at least `WANTED_ACCURACY` is right; infinite where there is none.

    How often an answer of a confidence is right is fitted by a logistic curve (Platt 1999): two numbers from all rows,
    so that no lucky stretch of them sets a threshold, and an unlucky one prevents none. The lower bound of Clopper and
    Pearson (1934) on the accuracy so expected must reach what is wanted, and so must the share that was seen to be
    right, should the curve not fit. Rows of one confidence are taken together, for no threshold can part them.
    """
    if not len(confidence):
        return float("inf")
    order = np.argsort(-confidence, kind="stable")
    sure, right = confidence[order], correct[order].astype(float)
    count, seen, expected = np.arange(1, len(sure) + 1), np.cumsum(right), np.cumsum(_expected(sure, right))
    bound = beta.ppf(1 - CERTAINTY, np.maximum(expected, 1e-9), count - expected + 1)
    last_of_its_kind = np.append(sure[1:] < sure[:-1], True)
    good = np.flatnonzero((bound >= WANTED_ACCURACY) & (seen / count >= WANTED_ACCURACY) & last_of_its_kind)
    return float(sure[good[-1]]) if len(good) else float("inf")


def _expected(confidence: Floats, right: Floats) -> Floats:
    if right.min() == right.max():
        return right
    odds = logit(np.clip(confidence, 1e-6, 1 - 1e-6))[:, None]
    return np.asarray(LogisticRegression().fit(odds, right).predict_proba(odds)[:, 1])


def choose_own_threshold(confidence: Floats, correct: NDArray[np.bool_], own: NDArray[np.bool_]) -> float:
    """A threshold that holds for some of the rows, the `own`, which may be harder than the others.

    `ENOUGH` of them set it alone. Fewer prove little: the threshold is that of all rows, raised until of the own rows
    that reach it, if any do, as many are right as are wanted.
    """
    if own.sum() >= ENOUGH:
        return choose_threshold(confidence[own], correct[own])
    least = choose_threshold(confidence, correct)
    wrong = np.sort(confidence[own & ~correct & (confidence >= least)])
    # Only above a wrong one can fewer be wrong; above the last none is.
    candidates = [least, *np.nextafter(wrong, np.inf)]
    return float(
        next(
            one
            for one in candidates
            if not (confidence[own & ~correct] >= one).any()
            or correct[own & (confidence >= one)].mean() >= WANTED_ACCURACY
        )
    )


def figures(
    labels: tuple[str, ...], probabilities: Floats, truth: list[str], *, threshold: float
) -> dict[str, float | int | None]:
    """A label that was never learned counts as a mistake. `selective_accuracy` is None where nothing is covered."""
    guessed = [labels[index] for index in probabilities.argmax(axis=1)]
    correct = np.asarray([guess == label for guess, label in zip(guessed, truth, strict=True)])
    covered = probabilities.max(axis=1) >= threshold
    return {
        "accuracy": round(float(correct.mean()), 4),
        "macro_f1": round(float(f1_score(truth, guessed, average="macro", zero_division=0.0)), 4),
        "ece": round(calibration_error(probabilities, correct), 4),
        "coverage_at_90": round(float(covered.mean()), 4),
        "selective_accuracy": round(float(correct[covered].mean()), 4) if covered.any() else None,
        "n": len(truth),
    }
