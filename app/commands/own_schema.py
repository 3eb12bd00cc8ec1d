"""The product's tables in a schema of their own, for figures on somebody's data: dropped afterwards, whatever happens.

A run holds an advisory lock on its schema's name while it lives. One that was killed leaves a schema that nobody
holds; the next run drops it.
"""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.commands.refusing import refuse
from app.core.db import Database, DatabaseUnreachable
from app.core.settings import Settings
from app.embedded.data_plane import DataPlane
from app.embedded.instance import Instance
from app.embedded.process import StartFailed
from app.inference.errors import ModelUnavailable
from app.models import Base

PREFIX = "evidesk_evaluation_"
INTERRUPTED = 130

T = TypeVar("T")


def measured(settings: Settings, measure: Callable[[str], Coroutine[Any, Any, T]]) -> T:
    """What `measure` finds on the database whose address it is given. Ends the program where there is none."""
    try:
        with database_address(settings) as address:
            return asyncio.run(measure(address))
    except DatabaseUnreachable as error:
        refuse(f"The database cannot be reached ({error}). Is DATABASE_URL right?")
    except StartFailed as error:
        refuse(str(error))
    except ModelUnavailable as error:
        refuse(error.detail)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


@contextmanager
def database_address(settings: Settings) -> Iterator[str]:
    """DATABASE_URL's, else a running instance's, else a data plane's that lives as long as the block."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    state = Instance(settings.data_dir.resolve()).read()
    if state is not None and state.running and state.database_url:
        yield state.database_url
        return
    with TemporaryDirectory(prefix="evidesk-") as directory:
        plane = DataPlane(Path(directory), redis_url="unused", durable=False)
        with plane:
            yield plane.database_url


@asynccontextmanager
async def own_schema(address: str, settings: Settings) -> AsyncIterator[Database]:
    """A database whose tables are empty and nobody else's."""
    outer = Database(address, settings.database)
    name = f"{PREFIX}{secrets.token_hex(6)}"
    try:
        async with outer.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            await _drop_abandoned(connection)
            await _lock(connection, name)
            await connection.execute(text("CREATE EXTENSION IF NOT EXISTS vector"))
            await connection.execute(text(f"CREATE SCHEMA {name}"))
            inner = Database(address, settings.database, schema=name)
            try:
                async with inner.engine.begin() as tables:
                    # Unchecked: a check would take the tables of `public` for these.
                    await tables.run_sync(Base.metadata.create_all, checkfirst=False)
                yield inner
            finally:
                await inner.dispose()
                await connection.execute(text(f"DROP SCHEMA {name} CASCADE"))
    finally:
        await outer.dispose()


async def _lock(connection: AsyncConnection, name: str) -> bool:
    taken = text("SELECT pg_try_advisory_lock(hashtextextended(:name, 0))")
    return bool((await connection.execute(taken, {"name": name})).scalar_one())


async def _drop_abandoned(connection: AsyncConnection) -> None:
    listed = text("SELECT nspname FROM pg_namespace WHERE starts_with(nspname, :prefix)")
    for name in (await connection.execute(listed, {"prefix": PREFIX})).scalars().all():
        if await _lock(connection, name):
            await connection.execute(text(f'DROP SCHEMA "{name}" CASCADE'))
            await connection.execute(text("SELECT pg_advisory_unlock(hashtextextended(:name, 0))"), {"name": name})
