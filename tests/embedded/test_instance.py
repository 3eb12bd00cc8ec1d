"""The lock on a data directory, the record of what runs, and clearing up after a killed supervisor."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.embedded.instance import AlreadyRunning, Child, Instance, State
from app.embedded.process import Identity, kill_session, session_members


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def identity(pid: int) -> Identity:
    found = Identity.of(pid)
    assert found is not None
    return found


def a_state(*children: Child) -> State:
    return State(identity(os.getpid()), "2026-11-21T08:00:00+00:00", {"API": "http://x"}, "db", "redis", list(children))


def test_a_directory_is_held_once(tmp_path: Path) -> None:
    with (
        Instance(tmp_path).held(),
        pytest.raises(AlreadyRunning, match="has not finished starting"),
        Instance(tmp_path).held(),
    ):
        raise AssertionError("held twice")
    with Instance(tmp_path).held():
        pass


def test_whoever_comes_second_is_told_what_runs(tmp_path: Path) -> None:
    with Instance(tmp_path).held():
        Instance(tmp_path).write(a_state(Child("api", identity(os.getpid()))))
        with pytest.raises(AlreadyRunning) as told, Instance(tmp_path).held():
            raise AssertionError("held twice")
    text = str(told.value)
    assert f"It is process {os.getpid()}, running since 2026-11-21T08:00:00+00:00" in text
    assert "API: http://x" in text
    assert f"api: process {os.getpid()}" in text


def test_the_record_comes_back_as_it_was_and_is_private(tmp_path: Path) -> None:
    state = a_state(Child("redis", identity(os.getpid()), signal.SIGINT))
    Instance(tmp_path).write(state)
    assert Instance(tmp_path).read() == state
    assert stat.S_IMODE((tmp_path / "state.json").stat().st_mode) == 0o600
    Instance(tmp_path).clear()
    assert Instance(tmp_path).read() is None


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"children": 3}'])
def test_a_damaged_record_is_none(content: str, tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(content)
    assert Instance(tmp_path).read() is None
    assert Instance(tmp_path).sweep() == []


def test_what_was_left_is_ended(tmp_path: Path, sleeper: "subprocess.Popen[bytes]") -> None:
    Instance(tmp_path).write(a_state(Child("worker", identity(sleeper.pid))))
    assert Instance(tmp_path).sweep() == ["worker"]
    assert sleeper.wait(5) == -signal.SIGTERM
    assert Instance(tmp_path).read() is None


def test_a_stranger_with_the_same_pid_is_left_alone(tmp_path: Path, sleeper: "subprocess.Popen[bytes]") -> None:
    earlier = replace(identity(sleeper.pid), started=1_700_000_000.0)
    Instance(tmp_path).write(a_state(Child("worker", earlier)))
    assert Instance(tmp_path).sweep() == []
    assert sleeper.poll() is None


def test_orphans_of_a_dead_child_are_ended(tmp_path: Path) -> None:
    source = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], stdout=subprocess.DEVNULL)\n"
        "print(child.pid, flush=True)\nsys.stdin.read()"
    )
    leader = subprocess.Popen(
        [sys.executable, "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    assert leader.stdout is not None
    orphan = identity(int(leader.stdout.readline()))
    known = identity(leader.pid)
    assert [member.pid for member in session_members(known)] == [leader.pid, orphan.pid]
    leader.communicate()
    assert orphan.alive()
    Instance(tmp_path).write(a_state(Child("worker", known)))
    assert Instance(tmp_path).sweep() == []
    assert not orphan.alive()


def test_nothing_happens_to_the_session_of_a_successor(sleeper: "subprocess.Popen[bytes]") -> None:
    kill_session(replace(identity(sleeper.pid), started=1_700_000_000.0))
    assert sleeper.poll() is None
