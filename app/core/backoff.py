"""How long to rest before the next attempt: ever longer, and spread, so that what failed at once comes back apart."""

import random


def doubled(failures: int, *, first: float, most: float) -> float:
    """Seconds after so many failures in a row: `first` after one, twice that after two, up to `most`."""
    return min(first * 2.0 ** min(max(failures - 1, 0), 30), most)


def spread(seconds: float) -> float:
    """By chance, in the upper half."""
    return random.uniform(seconds / 2, seconds)  # noqa: S311 - guards nothing
