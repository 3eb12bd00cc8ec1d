"""The supervisor with small real processes."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from app.embedded.process import Identity, StartFailed, spawn
from app.embedded.supervisor import Backoff, Service, Supervisor

QUICK = Backoff(first=0.05, most=0.2, stable=5.0)

RunPython = Callable[[str], "subprocess.Popen[str]"]


def a_service(directory: Path, source: str, *, name: str = "stand-in", stage: int = 0, grace: float = 5.0) -> Service:
    log = directory / f"{name}.log"
    return Service(name, lambda: spawn([sys.executable, "-c", source], log=log), log, stage=stage, grace=grace)


async def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # it asks about other processes
            await asyncio.sleep(0.02)


SLEEP = "import time; print('up', flush=True); time.sleep(60)"


async def test_one_that_is_killed_is_started_again_and_said_so(tmp_path: Path) -> None:
    said: list[str] = []
    changes: list[int] = []
    supervisor = Supervisor(said.append, changed=lambda: changes.append(1), backoff=QUICK)
    service = a_service(tmp_path, SLEEP)
    supervisor.add(service)
    await until(lambda: service.process)
    first = service.process
    assert first is not None
    first.kill()
    await until(lambda: service.process is not None and service.process is not first)
    assert said == [said[0]]
    assert said[0].startswith("stand-in was killed by SIGKILL after 0.")
    assert said[0].endswith("s; starting it again in 0.05 s")
    assert len(changes) == 2
    assert service.restarts == 1
    second = service.identity
    await supervisor.stop()
    assert second is not None
    assert not second.alive()


async def test_one_that_keeps_failing_is_started_ever_later_and_its_log_is_shown(tmp_path: Path) -> None:
    said: list[str] = []
    supervisor = Supervisor(said.append, backoff=QUICK)
    supervisor.add(a_service(tmp_path, "import sys; sys.exit('no such table')"))
    await until(lambda: len(said) >= 6)
    await supervisor.stop()
    delays = [line.rsplit(" in ", 1)[1] for line in said if "starting it again" in line]
    assert delays[:5] == ["0.05 s", "0.1 s", "0.2 s", "0.2 s", "0.2 s"]
    assert "ended with exit code 1" in said[0]
    assert sum("no such table" in line for line in said) == 1


async def test_one_that_stayed_up_is_started_again_at_once(tmp_path: Path) -> None:
    said: list[str] = []
    supervisor = Supervisor(said.append, backoff=Backoff(first=0.05, most=5, stable=0.01))
    supervisor.add(a_service(tmp_path, "import sys; sys.exit(3)"))
    await until(lambda: len(said) >= 3)
    await supervisor.stop()
    assert all(line.endswith("in 0.05 s") for line in said)


async def test_one_that_cannot_be_started_is_tried_again(tmp_path: Path) -> None:
    said: list[str] = []
    attempts: list[int] = []

    def start() -> "subprocess.Popen[bytes]":
        attempts.append(1)
        if len(attempts) == 1:
            raise StartFailed("the disk is full")
        return spawn([sys.executable, "-c", SLEEP], log=tmp_path / "late.log")

    supervisor = Supervisor(said.append, backoff=QUICK)
    service = Service("late", start, tmp_path / "late.log")
    supervisor.add(service)
    await until(lambda: service.process)
    await supervisor.stop()
    assert "late could not be started (the disk is full)" in said[0]


async def test_what_a_dead_child_forked_goes_with_it(tmp_path: Path) -> None:
    source = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-c', {SLEEP!r}], stdout=subprocess.DEVNULL)\n"
        "print(child.pid, flush=True)\ntime.sleep(60)"
    )
    supervisor = Supervisor(lambda _: None, backoff=Backoff(first=30))
    service = a_service(tmp_path, source)
    supervisor.add(service)
    await until(lambda: service.log.exists() and service.log.read_text().endswith("\n"))
    forked = Identity.of(int(service.log.read_text()))
    assert forked is not None
    assert service.process is not None
    service.process.kill()
    await until(lambda: not forked.alive())
    await supervisor.stop()


async def test_stopping_goes_stage_by_stage(tmp_path: Path) -> None:
    record = tmp_path / "order"
    source = (
        "import signal, sys\n"
        "def leave(*_):\n"
        f"    open({str(record)!r}, 'a').write(sys.argv[1] + ' ')\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, leave)\n"
        "print('up', flush=True)\n"
        "signal.pause()"
    )
    supervisor = Supervisor(lambda _: None)
    services: list[Service] = []
    for name, stage in (("database", 0), ("api", 2), ("worker", 1)):
        log = tmp_path / f"{name}.log"
        command = [sys.executable, "-c", source, name]
        services.append(Service(name, lambda c=command, g=log: spawn(c, log=g), log, stage=stage))  # type: ignore[misc]  # bound now
        supervisor.add(services[-1])
    await until(lambda: all(service.log.exists() and service.log.read_text() for service in services))
    await supervisor.stop()
    assert record.read_text() == "api worker database "


STUBBORN = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(60)"


async def test_one_that_does_not_stop_is_killed_after_its_grace(tmp_path: Path) -> None:
    said: list[str] = []
    supervisor = Supervisor(said.append)
    service = a_service(tmp_path, STUBBORN, grace=0.3)
    supervisor.add(service)
    await until(lambda: service.log.exists() and service.log.read_text())
    started = time.monotonic()
    await supervisor.stop()
    assert 0.3 <= time.monotonic() - started < 3
    assert said == ["stand-in did not stop in time and is killed"]
    assert service.identity is not None
    assert not service.identity.alive()


async def test_a_second_wish_to_stop_does_not_wait(tmp_path: Path) -> None:
    supervisor = Supervisor(lambda _: None)
    service = a_service(tmp_path, STUBBORN, grace=60)
    supervisor.add(service)
    await until(lambda: service.log.exists() and service.log.read_text())
    stopping = asyncio.create_task(supervisor.stop())
    await asyncio.sleep(0.2)
    assert not stopping.done()
    supervisor.hurry()
    async with asyncio.timeout(30):
        await stopping


async def test_one_that_already_runs_is_taken_over(tmp_path: Path) -> None:
    service = a_service(tmp_path, SLEEP)
    service.process = service.start()
    identity = Identity.of(service.process.pid)
    supervisor = Supervisor(lambda _: None)
    supervisor.add(service)
    # Not even its keeper has run yet.
    await supervisor.stop()
    assert identity is not None
    assert not identity.alive()


def test_the_delay_grows_to_its_limit_whatever_the_count() -> None:
    assert [Backoff().delay(n) for n in (1, 2, 3, 100_000)] == [0.5, 1, 2, 30]


def test_children_die_with_a_killed_supervisor(tmp_path: Path, run_python: RunPython) -> None:
    supervisor = run_python(
        f"""
        import asyncio, sys
        from pathlib import Path
        from app.embedded.process import spawn
        from app.embedded.supervisor import Service, Supervisor

        async def main():
            log = Path({str(tmp_path / "log")!r})
            service = Service("child", lambda: spawn([sys.executable, "-c", {SLEEP!r}], log=log), log)
            Supervisor(print).add(service)
            while not log.exists() or not log.read_text():
                await asyncio.sleep(0.02)
            print(service.process.pid, flush=True)
            await asyncio.sleep(60)

        asyncio.run(main())
        """
    )
    assert supervisor.stdout is not None
    child = Identity.of(int(supervisor.stdout.readline()))
    assert child is not None
    supervisor.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while child.alive():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform != "linux", reason="sessions are read from /proc")
def test_a_child_leads_its_own_session(tmp_path: Path) -> None:
    process = spawn([sys.executable, "-c", SLEEP], log=tmp_path / "log")
    try:
        assert psutil.Process(process.pid).ppid() == psutil.Process().pid
        assert process.pid == int(Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[3])
    finally:
        process.kill()
        process.wait()
