"""The chance that a document answers the question, for each that was found, and that none of them does."""

import math
from collections.abc import Sequence

from app.grounding.thresholds import Calibration
from app.knowledge.service import Match, Matches

FIGURES = tuple(name for name in Calibration.model_fields if name != "none")


def figures(matches: Matches) -> list[dict[str, float]]:
    """What the chances are made of, document by document. A lead is the figure as a share of the question's best."""
    documents = matches.documents
    most = {name: max((getattr(one, name) for one in documents), default=0.0) for name in _LEADS}
    return [
        {
            **{name: float(getattr(one, name)) for name in _PLAIN},
            "unsaid": len(one.unsaid) / len(matches.codes) if matches.codes else 0.0,
            **{f"{name}_lead": _of(getattr(one, name), most[name]) for name in _LEADS},
        }
        for one in documents
    ]


def chances(matches: Matches, calibration: Calibration) -> list[float]:
    """In the order of the documents; what is missing to 1 is the chance that none of them answers."""
    weights = {name: float(getattr(calibration, name)) for name in FIGURES}
    utilities = [sum(weights[name] * value for name, value in one.items()) for one in figures(matches)]
    top = max([calibration.none, *utilities])
    shares = [math.exp(utility - top) for utility in utilities]
    whole = sum(shares) + math.exp(calibration.none - top)
    return [share / whole for share in shares]


def by_chance(matches: Matches, calibration: Calibration) -> list[tuple[Match, float]]:
    """The likeliest first."""
    pairs: Sequence[tuple[Match, float]] = list(zip(matches.documents, chances(matches, calibration), strict=True))
    return sorted(pairs, key=lambda pair: -pair[1])


def _of(value: float, most: float) -> float:
    return max(value, 0.0) / most if most > 0 else 0.0


_PLAIN = ("meaning", "subject", "words", "coverage", "subject_coverage", "together", "titled", "reranked")
_LEADS = ("meaning", "words", "coverage")
