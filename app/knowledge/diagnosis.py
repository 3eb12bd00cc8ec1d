"""What a search found and how long each part of it took, for whoever watches; without a watcher it is forgotten."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

KEPT_MOST: Final = 20
"""Candidates of a search that are kept: what comes after them decides nothing."""
_SEARCHES_MOST: Final = 10

_watching: ContextVar[list["Diagnosis"] | None] = ContextVar("watched_searches", default=None)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`candidates` are the best ones, best first, of the `found`; `timings` are milliseconds."""

    query: str
    config: dict[str, Any]
    found: int
    candidates: tuple[Any, ...]
    timings: dict[str, float]


@dataclass(slots=True)
class Stopwatch:
    laps: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=time.monotonic)

    def lap(self, name: str) -> None:
        """What was done since the last one."""
        at = time.monotonic()
        self.laps[name] = round((at - self._last) * 1000, 2)
        self._last = at


@contextmanager
def watching() -> Iterator[list[Diagnosis]]:
    """Filled with the searches made within it."""
    seen: list[Diagnosis] = []
    token = _watching.set(seen)
    try:
        yield seen
    finally:
        _watching.reset(token)


def note(query: str, ranked: Sequence[Any], watch: Stopwatch, *, config: dict[str, Any]) -> None:
    """`ranked`: best first."""
    seen = _watching.get()
    if seen is not None and len(seen) < _SEARCHES_MOST:
        seen.append(Diagnosis(query, config, len(ranked), tuple(ranked[:KEPT_MOST]), watch.laps))
