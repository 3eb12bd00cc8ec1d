"""Keeps a set of processes running: one that dies is started again with a growing delay, and the console is told.

It knows nothing of what it runs. Stopping goes stage by stage from the highest number down, so that whoever uses a
server is gone before the server is.
"""

import asyncio
import contextlib
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.core.backoff import doubled
from app.embedded.process import Identity, StartFailed, kill_session, last_lines

SHOW_LOG_AFTER = 3
"""Failures in a row after which the end of the log is shown on the console."""

STEADY_SECONDS = 5.0

Start = Callable[[], "subprocess.Popen[bytes]"]


@dataclass(frozen=True)
class Backoff:
    """Seconds before the next start: `first`, doubling up to `most`, and `first` again after `stable` seconds up."""

    first: float = 0.5
    most: float = 30.0
    stable: float = 30.0

    def delay(self, failures: int) -> float:
        return doubled(failures, first=self.first, most=self.most)


@dataclass(eq=False)
class Service:
    name: str
    start: Start
    log: Path
    stage: int = 0
    stop_signal: int = signal.SIGTERM
    grace: float = 10.0
    process: "subprocess.Popen[bytes] | None" = None
    """Given at first when it already runs; afterwards the current one."""
    identity: Identity | None = None
    ended: "asyncio.Future[int] | None" = None
    """Of the current process: its exit code, once it has one."""
    failures: int = 0
    restarts: int = 0

    @property
    def steady(self) -> bool:
        """It runs, and if it failed before, long enough to think that it will stay."""
        if self.process is None or self.identity is None:
            return False
        return self.failures == 0 or time.time() - self.identity.started > STEADY_SECONDS

    def own(self, process: "subprocess.Popen[bytes]") -> "asyncio.Future[int]":
        self.process = process
        self.identity = Identity.of(process.pid)
        self.ended = _exit_code(process)
        return self.ended


def how_it_ended(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def _exit_code(process: "subprocess.Popen[bytes]") -> "asyncio.Future[int]":
    """Waited for in a thread of its own: asyncio's default pool is smaller than a set of services may be."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[int] = loop.create_future()

    def tell(code: int) -> None:
        if not future.done():
            future.set_result(code)

    def wait() -> None:
        code = process.wait()
        # The loop may have been closed while we waited: then nobody asks any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(tell, code)

    threading.Thread(target=wait, name=f"wait for {process.pid}", daemon=True).start()
    return future


class Supervisor:
    def __init__(
        self, say: Callable[[str], None], *, changed: Callable[[], None] = lambda: None, backoff: Backoff | None = None
    ) -> None:
        """`say` gets a line for the console; `changed` is called whenever a process has another pid than before."""
        self.services: list[Service] = []
        self._say = say
        self._changed = changed
        self._backoff = backoff or Backoff()
        self._keepers: dict[Service, asyncio.Task[None]] = {}
        self._hurry = asyncio.Event()

    def add(self, service: Service) -> None:
        """Start it (unless it already runs) and keep it running. Not from another thread than the loop's."""
        self.services.append(service)
        self._keepers[service] = asyncio.create_task(self._keep(service), name=f"keep {service.name}")

    def hurry(self) -> None:
        """Cut the grace short: whatever still runs is killed."""
        self._hurry.set()

    async def stop(self) -> None:
        """Returns when no process of any service is left."""
        for stage in sorted({service.stage for service in self.services}, reverse=True):
            members = [service for service in self.services if service.stage == stage]
            keepers = [self._keepers.pop(service) for service in members]
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
            await asyncio.gather(*(self._end(service) for service in members))
        self.services.clear()

    async def _keep(self, service: Service) -> None:
        while True:
            started = time.monotonic()
            reason = await self._run(service)
            lasted = time.monotonic() - started
            service.failures = 1 if lasted >= self._backoff.stable else service.failures + 1
            delay = self._backoff.delay(service.failures)
            self._say(f"{service.name} {reason} after {lasted:.1f} s; starting it again in {delay:g} s")
            if service.failures == SHOW_LOG_AFTER:
                self._say(f"The end of {service.log}:\n{last_lines(service.log)}")
            await asyncio.sleep(delay)
            service.restarts += 1

    async def _run(self, service: Service) -> str:
        """Why it is not running any more."""
        try:
            ended = service.own(service.process or service.start())
        except (StartFailed, OSError) as error:
            return f"could not be started ({error})"
        self._changed()
        reason = how_it_ended(await asyncio.shield(ended))
        self._sweep(service)
        service.process = None
        return reason

    async def _end(self, service: Service) -> None:
        if service.process is not None:
            ended = service.ended or service.own(service.process)
            # Quiet when it has ended by itself in the meantime.
            service.process.send_signal(service.stop_signal)
            impatience: asyncio.Future[Any] = asyncio.ensure_future(self._hurry.wait())
            await asyncio.wait([ended, impatience], timeout=service.grace, return_when=asyncio.FIRST_COMPLETED)
            impatience.cancel()
            if not ended.done():
                self._say(f"{service.name} did not stop in time and is killed")
                service.process.kill()
                await ended
        self._sweep(service)

    def _sweep(self, service: Service) -> None:
        """What it forked must not outlive it."""
        if service.identity is not None:
            kill_session(service.identity)
