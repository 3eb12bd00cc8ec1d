"""How far a command is: a bar on a terminal, elsewhere a line now and then, so that no log is silent for minutes."""

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import Progress, TaskID

EVERY_SECONDS = 10.0

T = TypeVar("T")


class Shown(Progress):
    """On standard error; the answer alone goes to standard output."""

    def __init__(self) -> None:
        super().__init__(console=Console(stderr=True), transient=True)
        self._told = -EVERY_SECONDS
        self._counted: TaskID | None = None

    def track(  # type: ignore[override]
        self, sequence: Sequence[T] | Iterable[T], *, description: str = "Working", **options: Any
    ) -> Iterator[T]:
        if self.console.is_terminal or not isinstance(sequence, Sequence):
            yield from super().track(sequence, description=description, **options)
            return
        for number, one in enumerate(sequence):
            self._tell(description, number, len(sequence))
            yield one

    def count(self, description: str, done: int, total: int) -> None:
        """Of what goes on elsewhere."""
        if self.console.is_terminal:
            if self._counted is None:
                self._counted = self.add_task(description, total=total)
            self.update(self._counted, completed=done)
        else:
            self._tell(description, done, total)

    def _tell(self, description: str, done: int, total: int) -> None:
        if time.monotonic() - self._told >= EVERY_SECONDS:
            self._told = time.monotonic()
            self.console.print(f"{description}: {done} of {total}", highlight=False)
