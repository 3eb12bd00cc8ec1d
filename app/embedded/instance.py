"""One instance per data directory: the lock that makes it so, and the record of what runs.

The lock is the kernel's (flock): it is gone with the process that holds it, however that ends. The record is for
people, for `evidesk migrate` and its like beside a running instance, and for clearing up after a killed supervisor.
"""

import contextlib
import fcntl
import json
import os
import signal
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.embedded.process import Identity, kill_session, wait_until_gone

SWEEP_SECONDS = 15.0


class AlreadyRunning(Exception):
    """Another supervisor holds this data directory; the text says which."""


@dataclass(frozen=True)
class Child:
    name: str
    identity: Identity
    stop_signal: int = signal.SIGTERM


@dataclass
class State:
    supervisor: Identity
    since: str
    addresses: dict[str, str]
    database_url: str
    redis_url: str
    children: list[Child] = field(default_factory=list)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "State":
        children = [
            Child(child["name"], Identity(**child["identity"]), child["stop_signal"]) for child in document["children"]
        ]
        return cls(**{**document, "supervisor": Identity(**document["supervisor"]), "children": children})

    @property
    def running(self) -> bool:
        return self.supervisor.alive()

    def describe(self) -> str:
        lines = [f"It is process {self.supervisor.pid}, running since {self.since}:"]
        lines += [f"  {name}: {address}" for name, address in self.addresses.items()]
        lines += [f"  {child.name}: process {child.identity.pid}" for child in self.children if child.identity.alive()]
        return "\n".join(lines)


def now_text() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class Instance:
    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._state = data_dir / "state.json"
        self._lock = data_dir / "evidesk.lock"

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the data directory. Raises AlreadyRunning, without having touched anything in it."""
        # As root, PostgreSQL's own user must be able to walk through it.
        self.data_dir.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadyRunning(self._who()) from None
            yield
        finally:
            os.close(descriptor)

    def read(self) -> State | None:
        """None when there is no record, or none that can be read."""
        try:
            return State.from_json(json.loads(self._state.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def write(self, state: State) -> None:
        """Readable by its owner only: the addresses carry passwords."""
        draft = self._state.with_suffix(".tmp")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(state), file, indent=2)
        draft.replace(self._state)

    def clear(self) -> None:
        self._state.unlink(missing_ok=True)

    def sweep(self) -> list[str]:
        """End what a killed supervisor left, gently at first; the names of what was found. Needs the lock."""
        state = self.read()
        if state is None:
            return []
        left = [child for child in state.children if child.identity.alive()]
        for child in left:
            child.identity.signal(child.stop_signal)
        wait_until_gone([child.identity for child in left], SWEEP_SECONDS)
        for child in state.children:
            kill_session(child.identity)
        self.clear()
        return [child.name for child in left]

    def _who(self) -> str:
        state = self.read()
        running = state.describe() if state is not None and state.running else "It has not finished starting."
        return f"Evidesk already runs on the data directory {self.data_dir}.\n{running}"
