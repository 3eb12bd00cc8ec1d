"""What an instance consists of: each process by name, how it is started and in which order it is stopped."""

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.core.settings import Settings
from app.embedded.data_plane import DataPlane
from app.embedded.process import LOOPBACK, port_is_free, spawn
from app.embedded.supervisor import Service

SERVERS, WORKERS, DOORS = 0, 1, 2
"""Stages. Doors close first, so that nothing new comes in while the rest finishes; servers last."""
GRACE_SECONDS = {SERVERS: 10.0, WORKERS: 15.0, DOORS: 10.0}
"""A worker may finish its task; one that takes longer is done again by the next worker."""

MODULES = {
    "api": ("app.commands.api", DOORS),
    "mcp": ("mcp_server", DOORS),
    "worker": ("app.commands.worker", WORKERS),
    "relay": ("app.commands.relay", WORKERS),
}
MAIL = ("app.commands.mail", DOORS)


def modules_for(settings: Settings) -> dict[str, tuple[str, int]]:
    """Mail is looked for where the desk has an address."""
    return MODULES | ({"mail": MAIL} if settings.mail.address is not None else {})


@dataclass(frozen=True)
class Addresses:
    """Where a person on this machine finds the instance."""

    http: str
    websocket: str
    mcp: str

    @classmethod
    def of(cls, settings: Settings) -> "Addresses":
        host = reachable_host(settings.host)
        return cls(
            http=f"http://{host}:{settings.port}",
            websocket=f"ws://{host}:{settings.port}/ws",
            mcp=f"http://{host}:{settings.mcp_port}/mcp",
        )


def reachable_host(host: str) -> str:
    """An address to connect to, for one to listen on: "every interface" is none."""
    known = {"0.0.0.0": LOOPBACK, "": LOOPBACK, "::": "[::1]"}  # noqa: S104  # compared with, not bound
    return known.get(host, f"[{host}]" if ":" in host else host)


def busy_port(settings: Settings) -> str | None:
    """A sentence about the first port that is taken, or None."""
    wanted = (("EVIDESK_PORT", settings.host, settings.port), ("EVIDESK_MCP_PORT", settings.host, settings.mcp_port))
    for variable, host, port in wanted:
        if not port_is_free(host, port):
            return f"Port {port} on {host} is used by another program. Set {variable} to a free one and start again."
    if settings.port == settings.mcp_port:
        return f"EVIDESK_PORT and EVIDESK_MCP_PORT are both {settings.port}; they must differ."
    return None


def child_environment(settings: Settings, plane: DataPlane) -> dict[str, str]:
    """Ours, with the settings as they were decided here. Without the admin's password: no service needs it."""
    environment = dict(os.environ)
    environment.pop("EVIDESK_ADMIN_PASSWORD", None)
    return environment | {
        "DATABASE_URL": plane.database_url,
        "REDIS_URL": plane.redis_url,
        "EVIDESK_DATA_DIR": str(settings.data_dir.resolve()),
        "EVIDESK_HOST": settings.host,
        "EVIDESK_PORT": str(settings.port),
        "EVIDESK_MCP_PORT": str(settings.mcp_port),
        "PYTHONUNBUFFERED": "1",
    }


def admin_environment(environment: Mapping[str, str], settings: Settings) -> tuple[dict[str, str], str | None]:
    """For making the first user, and the password that was made up for it, if one was."""
    if settings.admin_password is not None:
        return {**environment, "EVIDESK_ADMIN_PASSWORD": settings.admin_password.get_secret_value()}, None
    password = secrets.token_urlsafe(12)
    return {**environment, "EVIDESK_ADMIN_PASSWORD": password}, password


def data_services(plane: DataPlane, logs: Path) -> list[Service]:
    """The servers of a started data plane, to be kept running on their ports."""
    found: list[Service] = []
    if (redis := plane.redis) is not None:
        found.append(Service("redis", redis.spawn, logs / "redis.log", SERVERS, process=redis.process))
    if (postgres := plane.postgres) is not None:

        def start_postgres() -> "subprocess.Popen[bytes]":
            postgres.prepare()
            return postgres.spawn()

        # SIGINT is PostgreSQL's fast shutdown; its SIGTERM would wait for every client to leave.
        found.append(
            Service(
                *("postgres", start_postgres, logs / "postgres.log", SERVERS),
                stop_signal=signal.SIGINT,
                grace=30.0,
                process=postgres.process,
            )
        )
    return found


def own_services(environment: Mapping[str, str], logs: Path, modules: Mapping[str, tuple[str, int]]) -> list[Service]:
    return [
        Service(
            *(name, _starter(module, environment, logs / f"{name}.log"), logs / f"{name}.log", stage),
            grace=GRACE_SECONDS[stage],
        )
        for name, (module, stage) in modules.items()
    ]


def _starter(module: str, environment: Mapping[str, str], log: Path) -> Callable[[], "subprocess.Popen[bytes]"]:
    return lambda: spawn([sys.executable, "-m", module], log=log, env=environment)
