"""`evidesk up` from the outside: real servers, a real migration, small stand-ins for our own processes."""

import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.core.resources import Resources
from app.embedded.data_plane import DataPlane
from app.embedded.instance import Instance, State
from app.embedded.process import free_port, session_members

ROOT = Path(__file__).resolve().parents[2]


class Running:
    """An `evidesk up` of the test's own, with what it says."""

    def __init__(self, data_dir: Path, *words: str, **environment: str) -> None:
        self.data_dir = data_dir
        self.said: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        ports = {"EVIDESK_PORT": str(free_port()), "EVIDESK_MCP_PORT": str(free_port())}
        inherited = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.embedded.run_up", *words],
            cwd=ROOT,
            env=inherited
            | ports
            | {"EVIDESK_DATA_DIR": str(data_dir), "EVIDESK_ADMIN_EMAIL": "a@example.com"}
            | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def discard(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()

    def until(self, words: str, seconds: float = 60.0) -> str:
        deadline = time.monotonic() + seconds
        while True:
            line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            assert line is not None, f"{words!r} was not said: {self.said}"
            self.said.append(line)
            if words in line:
                return line

    def end(self, seconds: float = 40.0) -> int:
        code = self.process.wait(seconds)
        while (line := self._lines.get(timeout=30)) is not None:
            self.said.append(line)
        return code

    @property
    def output(self) -> str:
        return "\n".join(self.said)

    def state(self) -> State:
        state = Instance(self.data_dir).read()
        assert state is not None
        return state


Start = Callable[..., Running]


def elsewhere(plane: DataPlane) -> dict[str, str]:
    """The session's servers, where those of the instance are not what the test is about."""
    return {"DATABASE_URL": plane.database_url, "REDIS_URL": plane.redis_url}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Running] = []

    def run(*words: str, data_dir: Path = tmp_path / "data", **environment: str) -> Running:
        started.append(Running(data_dir, *words, **environment))
        return started[-1]

    yield run
    for running in started:
        running.discard()


def gone(state: State, seconds: float = 15.0) -> bool:
    deadline = time.monotonic() + seconds
    while any(session_members(child.identity) for child in state.children):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_it_serves_until_it_is_told_to_stop_and_leaves_nothing(start: Start) -> None:
    first = start()
    assert "shown only now: " in first.until("The user admin was created")
    first.until("a report for http://127.0.0.1:")
    first.until("Ctrl-C stops it")
    state = first.state()
    assert [child.name for child in state.children] == ["redis", "postgres", "api", "mcp"]
    assert state.running

    # A second one on the same data says what runs, and touches nothing.
    second = start()
    assert second.end() == 1
    assert f"It is process {first.process.pid}, running since " in second.output
    assert state.addresses["API"] in second.output
    assert all(child.identity.alive() for child in state.children)

    # One that dies is started again, and said so.
    api = next(child for child in state.children if child.name == "api")
    api.identity.signal(signal.SIGKILL)
    first.until("api was killed by SIGKILL")
    postgres = next(child for child in state.children if child.name == "postgres")
    postgres.identity.signal(signal.SIGKILL)
    first.until("postgres was killed by SIGKILL")
    deadline = time.monotonic() + 10
    while {child.identity for child in first.state().children} & {api.identity, postgres.identity}:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    state = first.state()

    first.process.send_signal(signal.SIGTERM)
    assert first.end() == 0
    assert first.said[-1].endswith("Stopped")
    assert gone(state, 0.5)
    assert not (first.data_dir / "state.json").exists()

    # The report is sent the first time only, and there is one admin.
    again = start()
    again.until("Ctrl-C stops it")
    assert "a report for" not in again.output
    assert "The user admin was created" not in again.output
    again.process.send_signal(signal.SIGINT)
    assert again.end() == 0


@pytest.mark.parametrize(("words", "code"), [(["once"], 0), (["once", "incomplete"], 1)])
def test_once_ends_after_the_report_and_tells_whether_it_is_complete(
    words: list[str], code: int, start: Start, plane: DataPlane, resources: Resources
) -> None:
    running = start(*words, **elsewhere(plane), EVIDESK_ADMIN_PASSWORD="a-password-of-mine")
    assert running.end(60) == code
    assert "PostgreSQL is the one the settings name" in running.output
    assert "with the password of EVIDESK_ADMIN_PASSWORD" in running.output
    assert "a-password-of-mine" not in running.output
    assert running.said[-1].endswith("Stopped")
    assert not (running.data_dir / "postgres").exists()
    assert plane.redis is not None
    assert plane.redis.is_ready()


def test_children_of_a_killed_supervisor_end_and_the_next_start_goes_on(start: Start) -> None:
    killed = start()
    killed.until("Ctrl-C stops it")
    state = killed.state()
    killed.process.kill()
    killed.end()
    assert gone(state)
    following = start()
    following.until("Ctrl-C stops it")
    following.process.send_signal(signal.SIGTERM)
    assert following.end() == 0


def test_a_busy_port_is_said_before_anything_starts(start: Start, tmp_path: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        running = start(EVIDESK_PORT=str(port))
        assert running.end() == 1
    assert f"Port {port} on 127.0.0.1 is used by another program. Set EVIDESK_PORT" in running.output
    assert not (tmp_path / "data" / "postgres").exists()


def test_one_that_never_stays_up_ends_the_start_with_its_reason(start: Start, plane: DataPlane) -> None:
    running = start("broken", **elsewhere(plane))
    assert running.end(60) == 1
    assert "a setting is missing" in running.output
    assert "worker does not stay up" in running.output


def test_it_can_be_interrupted_before_everything_is_up(start: Start) -> None:
    running = start()
    running.until("The schema is up to date")
    state = running.state()
    running.process.send_signal(signal.SIGINT)
    assert running.end() == 130
    assert gone(state, 0.5)


def test_it_can_be_interrupted_during_the_report(start: Start, plane: DataPlane) -> None:
    running = start("hanging", **elsewhere(plane))
    running.until("a report for")
    state = running.state()
    running.process.send_signal(signal.SIGINT)
    assert running.end() == 130
    assert gone(state, 0.5)


def test_a_migration_that_fails_ends_the_start_with_its_reason(start: Start) -> None:
    running = start(DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing")
    assert running.end(60) == 1
    assert "app.commands.migrate failed" in running.output
    assert "Connect" in running.output


def test_a_server_that_cannot_start_ends_the_start_with_its_reason(start: Start, tmp_path: Path) -> None:
    (tmp_path / "data" / "postgres").mkdir(parents=True)
    (tmp_path / "data" / "postgres" / "18.new").write_text("in the way")
    running = start()
    assert running.end() == 1
    assert "PostgreSQL's data directory could not be made" in running.output
