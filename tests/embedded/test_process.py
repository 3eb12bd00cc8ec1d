"""Processes of our own: identified, started, stopped, and never confused with a stranger's."""

import os
import pwd
import signal
import socket
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from app.embedded import process as processes
from app.embedded.process import (
    Account,
    Identity,
    StartFailed,
    account_for,
    free_port,
    kept_secret,
    last_lines,
    launch_command,
    package_directory,
    port_is_free,
    reachable_by,
    spawn,
    stop,
    wait_until_gone,
)

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]


def when_up(log: Path) -> None:
    deadline = time.monotonic() + 10
    while not log.exists() or not log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_process_is_known_by_its_pid_and_start_time_together() -> None:
    ours = Identity.of(os.getpid())
    assert ours is not None
    assert ours.alive()
    earlier = replace(ours, started=ours.started - 60)
    assert not earlier.alive()
    earlier.signal(signal.SIGKILL)
    assert Identity.of(2**22 + 1) is None
    assert not Identity(2**22 + 1, 0.0).alive()


def test_a_dead_child_that_nobody_waited_for_is_not_alive() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    identity = Identity.of(child.pid)
    assert identity is not None
    assert wait_until_gone([identity], 10)
    assert psutil.pid_exists(child.pid)
    child.wait()


def test_waiting_has_an_end() -> None:
    ours = Identity.of(os.getpid())
    assert ours is not None
    assert not wait_until_gone([ours], 0.05)


def test_a_child_is_asked_first_and_stopping_it_twice_does_nothing(tmp_path: Path) -> None:
    child = spawn(SLEEP, log=tmp_path / "logs" / "child.log")
    when_up(tmp_path / "logs" / "child.log")
    assert stat.S_IMODE((tmp_path / "logs" / "child.log").stat().st_mode) == 0o600
    stop(child)
    assert child.returncode == -signal.SIGTERM
    stop(child)


def test_a_child_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    source = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    child = spawn([sys.executable, "-c", source], log=tmp_path / "child.log", env={"PATH": ""})
    when_up(tmp_path / "child.log")
    stop(child, grace=0.1)
    assert child.returncode == -signal.SIGKILL


def test_a_program_that_is_not_there_is_said_by_name() -> None:
    with pytest.raises(StartFailed, match="There is no program no-such-program"):
        launch_command(["no-such-program"], death_signal=signal.SIGTERM)
    with pytest.raises(StartFailed, match="no_such_wheel is not installed"):
        package_directory("no_such_wheel")


def test_a_taken_port_is_not_free_and_a_preferred_free_one_is_kept() -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        taken = busy.getsockname()[1]
        assert not port_is_free("127.0.0.1", taken)
        assert free_port(taken) != taken
    free = free_port()
    assert free_port(free) == free


def test_a_secret_is_made_once_and_kept_private(tmp_path: Path) -> None:
    first = kept_secret(tmp_path / "secret")
    assert len(first) >= 32
    assert kept_secret(tmp_path / "secret") == first
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_the_end_of_a_log_is_read_from_its_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_lines(log) == ""
    log.write_text("".join(f"line {n}\n" for n in range(10_000)))
    assert last_lines(log, 2) == "line 9998\nline 9999"


def test_an_ordinary_user_runs_servers_as_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert account_for(tmp_path) is None


def test_root_runs_servers_as_the_owner_of_their_data_or_as_an_account_for_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    known = {"nobody": (65534, 65533)}

    def getpwnam(name: str) -> pwd.struct_passwd:
        uid, gid = known[name]
        return pwd.struct_passwd((name, "x", uid, gid, "", "/", "/bin/false"))

    monkeypatch.setattr(pwd, "getpwnam", getpwnam)
    assert account_for(tmp_path / "not yet there") == Account(65534, 65533)
    known.clear()
    with pytest.raises(StartFailed, match="does not run as root"):
        account_for(tmp_path / "not yet there")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a directory away")
def test_a_closed_directory_above_does_not_stop_the_other_user(tmp_path: Path) -> None:
    nobody = Account(65534, 65534)
    closed = tmp_path / "closed"
    inside = closed / "data"
    inside.mkdir(parents=True)
    os.chown(inside, nobody.uid, nobody.gid)
    closed.chmod(0o700)
    assert account_for(inside) == nobody
    assert not reachable_by(nobody, inside)
    source = f"import os; print(os.getuid(), os.getgroups(), os.listdir({str(inside)!r}))"
    log = tmp_path / "log"
    child = spawn([sys.executable, "-c", source], log=log, env={}, account=nobody, reach=[inside])
    assert child.wait(10) == 0, log.read_text()
    assert log.read_text() == "65534 [] []\n"


def test_orphans_of_a_session_that_is_not_ours_to_see_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def getsid(pid: int) -> int:
        raise PermissionError(pid)

    ours = Identity.of(os.getpid())
    assert ours is not None
    monkeypatch.setattr(os, "getsid", getsid)
    assert processes.session_members(ours) == []
