"""Migrations over asyncpg. The address is DATABASE_URL's, or `sqlalchemy.url` when a caller sets it."""

import asyncio

from alembic import context
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from app.core.db import async_url
from app.core.settings import get_settings
from app.models import Base

# Two processes may migrate at once (a rolling deployment): the second waits, and finds nothing left to do.
MIGRATION_LOCK = 0x65766964


def _address() -> str:
    if url := context.config.get_main_option("sqlalchemy.url"):
        return url
    configured = get_settings().database_url
    if configured is None:
        raise SystemExit("Set DATABASE_URL, or run 'evidesk up', which migrates its own database.")
    return async_url(configured.get_secret_value())


def _migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True)
    with context.begin_transaction():
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        context.run_migrations()


async def _online() -> None:
    engine = create_async_engine(_address(), poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(_migrate)
        await connection.commit()
    await engine.dispose()


def _offline() -> None:
    context.configure(url=_address(), target_metadata=Base.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    _offline()
else:
    asyncio.run(_online())
