"""A private data plane with real processes on it, which can be killed one by one."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from pydantic import SecretStr
from redis.asyncio.client import PubSub
from sqlalchemy import text

from app.core.resources import Resources, open_resources
from app.core.settings import DatabaseSettings, JobSettings, OutboxSettings, Settings
from app.core.tasks import CARRIER_HEADER, TaskCall, celery, configure
from app.embedded.data_plane import DataPlane
from app.embedded.process import Identity, free_port, kill_session, last_lines, spawn
from app.jobs import service as jobs
from tests.faults.room import FIRST_ATTEMPT_SECONDS, KIND

PATIENCE_SECONDS = 100.0
"""A process may need a good part of it to start on a busy machine."""
LEASE_SECONDS = 3.0


def small_settings(plane: DataPlane, directory: Path) -> Settings:
    """Leases and waits of a second or two, so that a fault shows and heals within seconds."""
    return Settings(
        _env_file=None,
        database_url=SecretStr(plane.database_url),
        redis_url=SecretStr(plane.redis_url),
        data_dir=directory,
        port=free_port(),
        database=DatabaseSettings(pool_size=8),
        jobs=JobSettings(lease_seconds=LEASE_SECONDS, claim_seconds=2.0, reap_seconds=0.3, worker_concurrency=1),
        outbox=OutboxSettings(poll_seconds=0.5, backoff_seconds=0.1),
    )


def environment(settings: Settings) -> dict[str, str]:
    """What makes another process read the same settings."""
    assert settings.database_url is not None
    assert settings.redis_url is not None
    found = {
        **os.environ,
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "REDIS_URL": settings.redis_url.get_secret_value(),
        "EVIDESK_DATA_DIR": str(settings.data_dir),
        "EVIDESK_PORT": str(settings.port),
    }
    for group in ("jobs", "outbox"):
        for name, value in getattr(settings, group).model_dump().items():
            found[f"EVIDESK_{group.upper()}__{name.upper()}"] = str(value)
    return found


@dataclass
class Site:
    plane: DataPlane
    settings: Settings
    resources: Resources
    directory: Path
    _running: list[tuple[str, "subprocess.Popen[bytes]", Identity]] = field(default_factory=list)

    def start(self, name: str, module: str, **changed: str) -> "subprocess.Popen[bytes]":
        """`python -m module` with this site's settings; `changed` are environment variables of its own."""
        env = environment(self.settings) | changed
        process = spawn([sys.executable, "-m", module], log=self.log(name), env=env)
        identity = Identity.of(process.pid)
        assert identity is not None
        self._running.append((name, process, identity))
        return process

    def start_worker(self, name: str = "worker") -> "subprocess.Popen[bytes]":
        return self.start(name, "tests.faults.worker_process")

    def start_relay(self, name: str = "relay") -> "subprocess.Popen[bytes]":
        return self.start(name, "tests.faults.relay_process")

    def kill(self, process: "subprocess.Popen[bytes]") -> None:
        """SIGKILL for the process and everything it forked, at once."""
        identity = next(identity for _, running, identity in self._running if running is process)
        os.killpg(process.pid, signal.SIGKILL)
        kill_session(identity)
        process.wait()

    def log(self, name: str) -> Path:
        return self.directory / f"{name}.log"

    def kill_children(self, process: "subprocess.Popen[bytes]") -> None:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()

    def freeze(self, process: "subprocess.Popen[bytes]") -> None:
        os.killpg(process.pid, signal.SIGSTOP)

    def thaw(self, process: "subprocess.Popen[bytes]") -> None:
        os.killpg(process.pid, signal.SIGCONT)

    async def new_job(self, *, first_attempt_seconds: float | None = None) -> uuid.UUID:
        if first_attempt_seconds is not None:
            await self.resources.redis.set(FIRST_ATTEMPT_SECONDS, first_attempt_seconds)
        async with self.resources.db.unit_of_work() as db:
            return jobs.create(db, kind=KIND, subject="a picture").id

    async def send(self, call: TaskCall, correlation_id: str = "") -> None:
        """Straight to the broker, without an event."""
        configure(self.settings)
        headers = {CARRIER_HEADER: {"correlation_id": correlation_id}}

        def publish() -> None:
            with celery.connection_for_write() as connection:
                celery.send_task(call.name, args=call.args, queue=call.queue, headers=headers, connection=connection)

        await asyncio.to_thread(publish)

    def lose_redis(self, *, with_data: bool) -> None:
        assert self.plane.redis is not None
        self.plane.redis.kill()
        if with_data:
            shutil.rmtree(self.plane.redis.directory)

    def restart_redis(self) -> None:
        assert self.plane.redis is not None
        self.plane.redis.start()

    def stop(self) -> None:
        for _, process, identity in self._running:
            process.kill()
            kill_session(identity)
            process.wait()
        self._running.clear()

    async def until(self, condition: Callable[[], Awaitable[bool]], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not await condition():
            if time.monotonic() > deadline:
                logs = "\n".join(f"--- {name}\n{last_lines(self.log(name), 30)}" for name, _, _ in self._running)
                raise AssertionError(f"{what}: not within {PATIENCE_SECONDS:g} s\n{logs}")
            await asyncio.sleep(0.05)

    async def until_row(self, query: str, **values: object) -> None:
        """Until the query gives true."""

        async def is_so() -> bool:
            return bool(await self.value(query, **values))

        await self.until(is_so, f"{query} {values}")

    async def until_logged(self, name: str, event: str) -> None:
        await self.until_written(name, f'"event": "{event}"', f"{name} logs {event}")

    async def until_written(self, name: str, pattern: str, what: str) -> None:
        """Until a process's log holds something that the pattern matches."""

        async def is_so() -> bool:
            return self.log(name).exists() and re.search(pattern, self.log(name).read_text()) is not None

        await self.until(is_so, what)

    async def until_file(self, path: Path) -> None:
        async def is_so() -> bool:
            return await asyncio.to_thread(path.exists)

        await self.until(is_so, f"there is {path}")

    async def value(self, query: str, **values: object) -> object:
        async with self.resources.db.session() as db:
            return (await db.execute(text(query), values)).scalar()

    @contextlib.asynccontextmanager
    async def listening(self, channel: str) -> AsyncIterator[PubSub]:
        """A subscription that is known to stand."""
        async with self.resources.redis.pubsub() as heard:
            await heard.subscribe(f"ws:{channel}")
            await heard.get_message(timeout=30.0)
            yield heard


@contextlib.asynccontextmanager
async def opened(plane: DataPlane, directory: Path) -> AsyncIterator[Site]:
    settings = small_settings(plane, directory)
    async with open_resources(settings) as resources:
        site = Site(plane, settings, resources, directory)
        try:
            yield site
        finally:
            site.stop()
