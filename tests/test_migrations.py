"""Alembic owns the schema: it builds what the models say, and takes it down again."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from app.embedded.data_plane import DataPlane
from app.models import Base

ROOT = Path(__file__).resolve().parent.parent


async def _run(url: str, statement: str) -> list[str]:
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT", poolclass=pool.NullPool)
    async with engine.connect() as connection:
        result = await connection.execute(text(statement))
        rows = [str(row[0]) for row in result] if result.returns_rows else []
    await engine.dispose()
    return rows


@pytest.fixture
def fresh(plane: DataPlane) -> Iterator[str]:
    assert plane.postgres is not None
    asyncio.run(_run(plane.database_url, "CREATE DATABASE fresh"))
    yield plane.postgres.url_for("fresh")
    asyncio.run(_run(plane.database_url, "DROP DATABASE fresh WITH (FORCE)"))


def _config(url: str) -> Config:
    config = Config(ROOT / "alembic.ini")
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def _tables(url: str) -> set[str]:
    statement = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    return set(asyncio.run(_run(url, statement)))


def test_every_revision_goes_up_and_down_and_up_again(fresh: str) -> None:
    config = _config(fresh)
    for _ in ScriptDirectory.from_config(config).walk_revisions():
        command.upgrade(config, "+1")
        command.downgrade(config, "-1")
        command.upgrade(config, "+1")
    assert _tables(fresh) == {*Base.metadata.tables, "alembic_version"}
    command.downgrade(config, "base")
    assert _tables(fresh) == {"alembic_version"}


def test_the_models_and_the_migrations_say_the_same(fresh: str) -> None:
    command.upgrade(_config(fresh), "head")

    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return list(compare_metadata(context, Base.metadata))

    async def compare() -> list[object]:
        engine = create_async_engine(fresh, poolclass=pool.NullPool)
        async with engine.connect() as connection:
            found = await connection.run_sync(differences)
        await engine.dispose()
        return found

    assert asyncio.run(compare()) == []
