"""Units of work: all or nothing, and the drivers that addresses name."""

from datetime import datetime

import pytest
from asyncpg import DivisionByZeroError
from sqlalchemy import Integer, bindparam, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.db import Database, DatabaseUnreachable, Question, async_url, rows_of
from app.core.resources import NotConfigured, Resources, open_resources
from app.core.settings import DatabaseSettings, Settings
from app.models.outbox import OutboxRow


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2", "postgresql+asyncpg"])
def test_any_postgres_address_is_taken(scheme: str) -> None:
    assert async_url(f"{scheme}://me:p%40ss@host:5/db?x=1") == "postgresql+asyncpg://me:p%40ss@host:5/db?x=1"


def row() -> OutboxRow:
    return OutboxRow(aggregate="note:1", type="noted", payload={})


async def count(resources: Resources) -> int:
    async with resources.db.session() as db:
        return (await db.execute(select(func.count()).select_from(OutboxRow))).scalar_one()


async def add_and_fail(resources: Resources) -> None:
    async with resources.db.unit_of_work() as db:
        db.add(row())
        await db.flush()
        raise RuntimeError


async def test_a_unit_of_work_is_committed_at_its_end_or_not_at_all(resources: Resources) -> None:
    async with resources.db.unit_of_work() as db:
        db.add(row())
    with pytest.raises(RuntimeError):
        await add_and_fail(resources)
    assert await count(resources) == 1


async def test_a_session_for_reading_leaves_nothing(resources: Resources) -> None:
    async with resources.db.session() as db:
        db.add(row())
        await db.flush()
    assert await count(resources) == 0


async def moments(db: AsyncSession) -> set[datetime]:
    """When the transaction of each of two statements began."""
    return {(await db.execute(select(func.now()))).scalar_one() for _ in range(2)}


async def test_each_statement_of_a_reader_is_on_its_own_and_the_connection_forgets_it(resources: Resources) -> None:
    for _ in range(3):
        async with resources.db.reading() as db:
            assert len(await moments(db)) == 2
        async with resources.db.session() as db:
            assert len(await moments(db)) == 1


NUMBER = Question(select(literal(7), bindparam("given", type_=Integer)))


async def test_a_question_is_answered_alike_by_readers_and_units_of_work(resources: Resources) -> None:
    async with resources.db.reading() as db:
        assert [tuple(row) for row in await rows_of(db, NUMBER, {"given": 8})] == [(7, 8)]
    async with resources.db.unit_of_work() as db:
        assert [tuple(row) for row in await rows_of(db, NUMBER, {"given": 9})] == [(7, 9)]


async def test_a_reader_whose_connection_has_broken_takes_another(resources: Resources, settings: Settings) -> None:
    assert settings.database_url is not None
    own = Database(settings.database_url.get_secret_value(), DatabaseSettings(pool_size=1, max_overflow=0))
    async with own.reading() as db:
        pid = (await db.execute(select(func.pg_backend_pid()))).scalar_one()
    async with resources.db.reading() as db:
        await db.execute(select(func.pg_terminate_backend(pid, 5000)))
    async with own.reading() as db:
        assert len(await rows_of(db, NUMBER, {"given": 8})) == 1
    await own.dispose()


async def test_what_the_database_refuses_is_not_asked_twice(resources: Resources) -> None:
    by_zero = Question(select(literal(1) / bindparam("given", type_=Integer)))
    async with resources.db.reading() as db:
        with pytest.raises(DivisionByZeroError):
            await rows_of(db, by_zero, {"given": 0})
        assert len(await rows_of(db, NUMBER, {"given": 8})) == 1


async def test_ping_tells_whether_the_database_answers(resources: Resources) -> None:
    await resources.db.ping()
    away = Database("postgres://nobody@127.0.0.1:1/x")
    with pytest.raises(DatabaseUnreachable):
        await away.ping()
    await away.dispose()


async def test_a_process_without_addresses_says_which_to_set() -> None:
    with pytest.raises(NotConfigured, match="DATABASE_URL"):
        async with open_resources(Settings(_env_file=None, database_url=None, redis_url=None)):
            pass
