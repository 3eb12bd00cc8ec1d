"""The embedded PostgreSQL: what it promises to whoever starts it."""

import os
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from app.embedded.postgres import EmbeddedPostgres
from app.embedded.process import StartFailed

RunPython = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), durable=False)
    server.start()
    yield server
    server.stop()


async def test_its_database_has_vectors(postgres: EmbeddedPostgres) -> None:
    connection = await asyncpg.connect(postgres.url.replace("+asyncpg", ""))
    try:
        assert await connection.fetchval("SELECT '[1,2,3]'::vector <-> '[1,2,5]'") == 2
        assert await connection.fetchval("SELECT lower('ÄÖ')") == "äö"
    finally:
        await connection.close()


async def test_it_refuses_a_wrong_password(postgres: EmbeddedPostgres) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(
            host="127.0.0.1", port=postgres.port, user="evidesk", password="guess", database="postgres"
        )


def test_its_password_is_readable_by_its_owner_only(postgres: EmbeddedPostgres) -> None:
    kept = postgres.directory.parent / "postgres.password"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(postgres.directory.stat().st_mode) == 0o700
    assert not (postgres.directory / "initdb.password").exists()


def test_it_does_not_run_as_root(postgres: EmbeddedPostgres) -> None:
    assert postgres.process is not None
    assert psutil.Process(postgres.process.pid).uids().real != 0


def test_a_refused_statement_says_why(postgres: EmbeddedPostgres) -> None:
    with pytest.raises(StartFailed, match="nothing_here"):
        postgres.query("evidesk", "SELECT * FROM nothing_here")


def test_what_was_committed_survives_a_kill_and_a_stale_pid_file(tmp_path: Path) -> None:
    first = EmbeddedPostgres(tmp_path)
    first.start()
    assert first.query("evidesk", "SHOW synchronous_commit") == "on"
    first.query("evidesk", "CREATE TABLE kept AS SELECT 42 AS answer")
    assert first.process is not None
    first.process.kill()
    first.process.wait()
    pid_file = tmp_path / "postgres" / "18" / "postmaster.pid"
    # As after a restart of a container: the number belongs to somebody else now.
    pid_file.write_text(pid_file.read_text().replace(str(first.process.pid), str(os.getpid()), 1))

    second = EmbeddedPostgres(tmp_path, port=first.port)
    second.start()
    try:
        assert second.port == first.port
        assert second.query("evidesk", "SELECT answer FROM kept") == "42"
    finally:
        second.stop()


def test_a_server_left_running_is_ended_before_another_uses_its_data(tmp_path: Path) -> None:
    left = EmbeddedPostgres(tmp_path, durable=False)
    left.start()
    assert left.process is not None
    follower = EmbeddedPostgres(tmp_path, durable=False)
    follower.start()
    try:
        assert left.process.wait(5) == 0
        assert follower.port != left.port
    finally:
        follower.stop()


def test_half_made_data_is_made_again(tmp_path: Path) -> None:
    half = tmp_path / "postgres" / "18.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18")
    server = EmbeddedPostgres(tmp_path, durable=False)
    server.start()
    server.stop()
    assert not half.exists()


def test_data_that_cannot_be_made_is_said_with_the_reason(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path, durable=False)
    (tmp_path / "postgres").mkdir()
    # initdb cannot make its directory where a file is; removing one file is not what rmtree does.
    (tmp_path / "postgres" / "18.new").write_text("in the way")
    with pytest.raises(StartFailed, match="could not be made"):
        server.start()


def test_a_server_that_exits_at_once_is_said_with_its_log(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path, durable=False)
    server.prepare()
    control = tmp_path / "postgres" / "18" / "global" / "pg_control"
    control.write_bytes(b"\0" * control.stat().st_size)
    with pytest.raises(StartFailed, match="initialized with PG_CONTROL_VERSION 0"):
        server.start()
    assert server.process is None


def test_it_stops_when_its_starter_is_killed(tmp_path: Path, run_python: RunPython) -> None:
    starter = run_python(
        f"""
        import time
        from pathlib import Path
        from app.embedded.data_plane import DataPlane
        with DataPlane(Path({str(tmp_path)!r}), durable=False) as plane:
            print(plane.postgres.process.pid, plane.redis.process.pid, flush=True)
            time.sleep(60)
        """
    )
    assert starter.stdout is not None
    pids = [int(word) for word in starter.stdout.readline().split()]
    assert all(psutil.pid_exists(pid) for pid in pids)
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    deadline = time.monotonic() + 10
    while any(psutil.pid_exists(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)
