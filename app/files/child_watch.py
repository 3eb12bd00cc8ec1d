"""Watches a child process while it works, and kills it when it takes too much time or memory."""

import subprocess
import threading
import time
from types import TracebackType
from typing import Final, Self

import psutil

LOOK_SECONDS: Final = 0.1
"""Between two looks a child may take about half a GiB; the limit on its address space stops one that is faster."""


class ChildWatch:
    """`with ChildWatch(child, seconds=…, memory_bytes=…) as watch:`; `watch.verdict` says why it killed, if it did."""

    def __init__(self, child: "subprocess.Popen[str]", *, seconds: float, memory_bytes: int) -> None:
        self.verdict: str | None = None
        self._child = child
        self._seconds = seconds
        self._memory_bytes = memory_bytes
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, name=f"watch {child.pid}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        until = time.monotonic() + self._seconds
        while not self._done.wait(min(LOOK_SECONDS, max(0.0, until - time.monotonic()))):
            if time.monotonic() >= until:
                self.verdict = f"Reading the file took longer than the {self._seconds:g} s allowed."
            elif resident_bytes(self._child.pid) > self._memory_bytes:
                allowed = f"{self._memory_bytes / 1024**2:,.0f} MiB"
                self.verdict = f"Reading the file took more memory than the {allowed} allowed."
            else:
                continue
            self._child.kill()
            return


def resident_bytes(pid: int) -> int:
    """0 for a process that is gone."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0
