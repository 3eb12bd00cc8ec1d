"""Our own processes: started so that they die with us, identified so that we never signal a stranger.

A process is known by its pid and its start time together, since pids are used again. Every child leads its own
session; whatever it forked is found there even after the child itself is gone.
"""

import contextlib
import importlib.util
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from app.embedded import launch
from app.embedded.launch import Launch

LOOPBACK = "127.0.0.1"
START_TIME_SLACK = 0.05
"""Seconds. Start times are read from the same kernel clock, so two readings differ by rounding only."""

KILL_SECONDS = 2.0
"""A killed process is gone in milliseconds, unless the kernel waits for a disk."""


class StartFailed(Exception):
    """A server could not be started; the text says why, for the person at the console."""


@dataclass(frozen=True)
class Identity:
    pid: int
    started: float
    """Seconds since the epoch, as the kernel tells it."""

    @classmethod
    def of(cls, pid: int) -> "Identity | None":
        """None when there is no such process."""
        try:
            return cls(pid, psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:
            return None

    def alive(self) -> bool:
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < START_TIME_SLACK
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def signal(self, number: int) -> None:
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


@dataclass(frozen=True)
class Account:
    """Whom a server runs as when we are root, which PostgreSQL refuses to be."""

    uid: int
    gid: int


def account_for(directory: Path) -> Account | None:
    """The owner of an existing data directory, else an account every system has. None: run as ourselves."""
    if os.geteuid() != 0:
        return None
    if directory.exists() and (owner := directory.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise StartFailed("PostgreSQL does not run as root and there is no account postgres or nobody to run it as.")


def reachable_by(account: Account, path: Path) -> bool:
    """May this account walk down to `path`? Only "other" bits are looked at: the account owns nothing above."""
    return all(parent.stat().st_mode & 0o001 for parent in path.resolve().parents)


def launch_command(
    argv: Sequence[str], *, death_signal: int, account: Account | None = None, reach: Iterable[Path] = ()
) -> list[str]:
    """The command line that becomes `argv`; `reach` are the paths the account must be able to walk to.

    The child dies when the *thread* that starts it ends: start it from a thread that lives as long as the child should.
    """
    executable = shutil.which(argv[0])
    if executable is None:
        raise StartFailed(f"There is no program {argv[0]}.")
    spec = Launch(parent=os.getpid(), argv=[executable, *argv[1:]], death_signal=death_signal)
    if account is not None:
        closed = not all(reachable_by(account, path) for path in reach)
        spec = Launch(spec.parent, spec.argv, spec.death_signal, account.uid, account.gid, closed)
    return [sys.executable, "-I", "-S", launch.__file__, json.dumps(asdict(spec))]


def spawn(
    argv: Sequence[str],
    *,
    log: Path,
    death_signal: int = signal.SIGTERM,
    env: Mapping[str, str] | None = None,
    account: Account | None = None,
    reach: Iterable[Path] = (),
) -> "subprocess.Popen[bytes]":
    """Start `argv` in its own session, its output appended to `log` (mode 0600)."""
    command = launch_command(argv, death_signal=death_signal, account=account, reach=reach)
    log.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=None if env is None else dict(env),
        )
    finally:
        os.close(descriptor)


def stop(process: "subprocess.Popen[bytes]", number: int = signal.SIGTERM, *, grace: float = 10.0) -> None:
    """Ask, wait `grace` seconds, then kill it and all it forked. Returns when nothing of it is left."""
    if process.poll() is not None:
        # Its pid may be somebody else's by now.
        return
    identity = Identity.of(process.pid)
    process.send_signal(number)
    try:
        process.wait(grace)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if identity is not None:
        kill_session(identity)


def session_members(leader: Identity) -> list[Identity]:
    """Processes in the session `leader` opened, whether or not it still lives; the leader first."""
    found: list[Identity] = []
    for process in psutil.process_iter():
        try:
            member = Identity(process.pid, process.create_time())
            if os.getsid(process.pid) == leader.pid and member.started >= leader.started - START_TIME_SLACK:
                found.append(member)
        except (psutil.NoSuchProcess, ProcessLookupError, PermissionError):
            continue
    return sorted(found, key=lambda member: member.pid != leader.pid)


def kill_session(leader: Identity) -> None:
    """Returns when they are gone."""
    # A session's number is not given to a new process while anyone is in it: these are ours.
    successor = Identity.of(leader.pid)
    if successor is not None and abs(successor.started - leader.started) >= START_TIME_SLACK:
        return
    members = session_members(leader)
    for member in members:
        member.signal(signal.SIGKILL)
    wait_until_gone(members, KILL_SECONDS)


def package_directory(name: str) -> Path:
    """Where a wheel lies, without importing it: both data plane wheels do things to the process when imported."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise StartFailed(f"The package {name} is not installed.")
    return Path(spec.submodule_search_locations[0])


def free_port(preferred: int | None = None) -> int:
    """A loopback port nobody listens on: `preferred` if it is free, else any."""
    if preferred is not None and port_is_free(LOOPBACK, preferred):
        return preferred
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        number: int = probe.getsockname()[1]
        return number


def port_is_free(host: str, port: int) -> bool:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError:
            return False
    return True


def kept_secret(path: Path) -> str:
    """A random password, made once and kept in a file only its owner may read."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii")
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(24))
    return path.read_text(encoding="ascii")


def last_lines(path: Path, count: int = 12, *, window: int = 16_384) -> str:
    """The end of a log, read from its last `window` bytes; empty when there is none."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - window))
        text = file.read().decode("utf-8", "replace")
    return "\n".join(text.splitlines()[-count:])


def wait_until_gone(identities: Iterable[Identity], seconds: float) -> bool:
    """True when all of them are gone in time."""
    deadline = time.monotonic() + seconds
    pending = list(identities)
    while pending := [identity for identity in pending if identity.alive()]:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
