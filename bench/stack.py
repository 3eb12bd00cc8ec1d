"""The product's processes on a data plane of their own, in a directory that is thrown away."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from app.embedded.data_plane import DataPlane
from app.embedded.process import free_port, last_lines, spawn, stop

API_PROCESSES = os.cpu_count() or 1
"""Of the product and of the bare server alike."""
ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "correct horse battery staple"  # noqa: S105 - of a server that lives for a minute


@dataclass(frozen=True)
class Stack:
    """A running product. `processes` by name: api, worker, relay, mcp (those that were asked for)."""

    directory: Path
    plane: DataPlane
    environment: dict[str, str]
    port: int
    processes: dict[str, "subprocess.Popen[bytes]"]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def pid(self, name: str) -> int:
        """Of the process itself; `evidesk` becomes it."""
        return self.processes[name].pid

    def token(self, username: str = "bench") -> str:
        """Of a customer, registered on first use."""
        with httpx2.Client(base_url=f"{self.url}/api/v1", trust_env=False, timeout=30) as client:
            person = {"username": username, "password": PASSWORD}
            client.post("/auth/register", json={**person, "email": f"{username}@example.com"})
            answer = client.post("/auth/login", json=person)
            answer.raise_for_status()
            token: str = answer.json()["access_token"]
            return token


@contextmanager
def started(command: list[str], environment: dict[str, str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that ends with the block, or with this process, whichever is first."""
    process = spawn(command, log=log, env={**environment, "PYTHONPATH": str(ROOT)})
    try:
        yield process
    finally:
        stop(process)


def wait_for(url: str, log: Path, *, seconds: float = 120.0) -> None:
    """Returns when `url` answers; if it never does, the process's log says why."""
    deadline = time.monotonic() + seconds
    with httpx2.Client(trust_env=False, timeout=5) as client:
        while True:
            try:
                if client.get(url).status_code < 500:
                    return
            except httpx2.TransportError:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{url} does not answer:\n{last_lines(log, 30)}") from None
            time.sleep(0.1)


@contextmanager
def running(*names: str, durable: bool = True, **settings: str) -> Iterator[Stack]:
    """Start the data plane and the named processes; `settings` are further environment variables."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="evidesk-bench-")))
        plane = stack.enter_context(DataPlane(directory, durable=durable))
        port, mcp_port = free_port(), free_port()
        environment = {
            **os.environ,
            "DATABASE_URL": plane.database_url,
            "REDIS_URL": plane.redis_url,
            "EVIDESK_DATA_DIR": str(directory),
            "EVIDESK_PORT": str(port),
            "EVIDESK_MCP_PORT": str(mcp_port),
            "EVIDESK_RATE_LIMIT__REQUESTS": "100000000",
            "EVIDESK_HTTP__WORKERS": str(API_PROCESSES),
            **settings,
        }
        subprocess.run([sys.executable, "-m", "app.cli", "migrate"], env=environment, cwd=ROOT, check=True)
        processes = {
            name: stack.enter_context(
                started([sys.executable, "-m", "app.cli", name], environment, directory / f"{name}.log")
            )
            for name in names
        }
        if "api" in names:
            wait_for(f"http://127.0.0.1:{port}/health", directory / "api.log")
        if "mcp" in names:
            wait_for(f"http://127.0.0.1:{mcp_port}/health", directory / "mcp.log")
        yield Stack(directory, plane, environment, port, processes)


@contextmanager
def bare_server(stack: Stack) -> Iterator[int]:
    """`bench.bare` on the same database; gives its port."""
    port, log = free_port(), stack.directory / "bare.log"
    command = [sys.executable, "-m", "uvicorn", "bench.bare:app", "--port", str(port), "--no-access-log"]
    command += ["--workers", str(API_PROCESSES)]
    address = stack.plane.database_url.replace("+asyncpg", "")
    environment = {**os.environ, "BENCH_DATABASE_URL": address}
    with started([*command, "--log-level", "warning"], environment, log):
        wait_for(f"http://127.0.0.1:{port}/", log)
        yield port
