"""How far probabilities may be trusted: calibration error, and the confidence from which an answer may stand alone."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta  # type: ignore[import-untyped]  # scipy ships no types
from sklearn.metrics import f1_score

WANTED_ACCURACY: Final = 0.9
"""Of what is decided without a person."""
CERTAINTY: Final = 0.99
"""How sure a threshold is to keep `WANTED_ACCURACY` on rows like those it was chosen on. Of many that pass the lowest
is taken, so each must be surer than the 0.95 that one alone would need."""
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

    The lower bound of Clopper and Pearson (1934) must reach it, not the share seen: so a handful of lucky rows sets no
    threshold. Rows of one confidence are taken together, for no threshold can part them.
    """
    order = np.argsort(-confidence, kind="stable")
    sure, right = confidence[order], np.cumsum(correct[order])
    count = np.arange(1, len(order) + 1)
    bound = beta.ppf(1 - CERTAINTY, np.maximum(right, 1e-9), count - right + 1)
    last_of_its_kind = np.append(sure[1:] < sure[:-1], True)
    good = np.flatnonzero((bound >= WANTED_ACCURACY) & last_of_its_kind)
    return float(sure[good[-1]]) if len(good) else float("inf")


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
