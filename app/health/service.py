"""Asks each dependency, with a time limit of its own, and says what it answered."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from functools import cache
from importlib.metadata import version
from pathlib import Path

import httpx2
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from app.core.redis import REDIS_AWAY, RedisError
from app.core.resources import Resources
from app.core.storage import StorageError
from app.files import service as files

PATIENCE_SECONDS = 2.0
VERSION = version("evidesk")
OPTIONAL = frozenset({"mcp", "scanner"})
"""Told, but no reason to take the API out of service: without them only agent runs or new files wait."""


class NotReady(Exception):
    """A dependency answers, but not as it should."""


_EXPECTED = (TimeoutError, OSError, SQLAlchemyError, RedisError, StorageError, httpx2.HTTPError, NotReady, *REDIS_AWAY)


async def check_database(resources: Resources) -> None:
    await resources.db.ping()


async def check_schema(resources: Resources) -> None:
    """Raises NotReady while migrations are still to be run."""
    async with resources.db.engine.connect() as connection:
        current = await connection.run_sync(_revision)
    if current not in _heads():
        raise NotReady(f"the schema is at revision {current}, this program needs {', '.join(_heads())}")


async def check_redis(resources: Resources) -> None:
    await resources.redis.ping()


async def check_mcp(resources: Resources) -> None:
    address = resources.settings.mcp_endpoint.removesuffix("/mcp") + "/health"
    async with httpx2.AsyncClient(timeout=PATIENCE_SECONDS, trust_env=False) as client:
        (await client.get(address)).raise_for_status()


async def check_scanner(resources: Resources) -> None:
    if (reason := await files.check_scanner(resources)) is not None:
        raise NotReady(reason)


async def readiness(resources: Resources, only: Collection[str] | None = None) -> dict[str, str]:
    """Name → "ok" or the reason, all asked at once; `only` these, else all."""
    known: dict[str, Callable[[Resources], Awaitable[None]]] = {
        "database": check_database,
        "schema": check_schema,
        "redis": check_redis,
        "storage": lambda it: it.storage.ping(),
        "mcp": check_mcp,
        "scanner": check_scanner,
    }
    checks = {name: check for name, check in known.items() if only is None or name in only}
    answers = await asyncio.gather(*(_ask(check, resources) for check in checks.values()))
    return dict(zip(checks, answers, strict=True))


async def _ask(check: Callable[[Resources], Awaitable[None]], resources: Resources) -> str:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await check(resources)
    except NotReady as error:
        return str(error)
    except _EXPECTED as error:
        # Only the kind: messages of drivers name hosts and users.
        return f"unreachable ({type(error).__name__})"
    return "ok"


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


@cache
def _heads() -> tuple[str, ...]:
    ini = Path(__file__).resolve().parents[2] / "alembic.ini"
    return tuple(ScriptDirectory.from_config(Config(ini)).get_heads())
