"""The database: one engine a process, one unit of work a cause.

A service never commits. The unit of work around it does, once, and before the answer leaves: the dependencies below
end with scope "function", which FastAPI closes before it sends the response (a plain `yield` dependency ends after it).
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

from asyncpg import InterfaceError, InternalClientError, PostgresError
from fastapi import Depends, Request
from sqlalchemy import Select, TextClause, event, text
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.engine import Dialect, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from app.core.settings import DatabaseSettings

DRIVER = "postgresql+asyncpg"

DATABASE_AWAY = (SQLAlchemyError, PostgresError, InterfaceError, InternalClientError, OSError)
"""Raised where a connection breaks or cannot be made, for loops that go on; some are asyncpg's own, unwrapped."""


def async_url(url: str) -> str:
    """The same address for asyncpg, whichever PostgreSQL driver it named ("postgres://…" included)."""
    if url.startswith("postgres://"):
        url = "postgresql" + url.removeprefix("postgres")
    return make_url(url).set(drivername=DRIVER).render_as_string(hide_password=False)


_DIALECT = PGDialect_asyncpg()  # type: ignore[no-untyped-call] # SQLAlchemy gives it no types


class DatabaseUnreachable(ConnectionError):
    """No connection could be made; the cause says why."""


def _connect(dialect: Dialect, _record: object, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
    # While it connects, the driver's errors and the socket's come through as they are, in a dozen classes.
    try:
        return dialect.connect(*arguments, **options)
    except (OSError, dialect.loaded_dbapi.Error) as error:
        raise DatabaseUnreachable(type(error).__name__) from error


class Database:
    def __init__(self, url: str, settings: DatabaseSettings | None = None, *, schema: str | None = None) -> None:
        """`schema`: where its tables are, before `public`, which holds the extensions."""
        options = settings or DatabaseSettings()
        self.url = async_url(url)
        self.engine = create_async_engine(
            self.url,
            pool_size=options.pool_size,
            max_overflow=options.max_overflow,
            pool_timeout=options.pool_timeout_seconds,
            pool_pre_ping=False,
            connect_args={
                "server_settings": {
                    "statement_timeout": str(options.statement_timeout_ms),
                    "jit": "off",
                    **({"search_path": f"{schema},public"} if schema is not None else {}),
                },
            },
        )
        event.listen(self.engine.sync_engine, "do_connect", _connect)
        self.info: dict[str, Any] = {}
        """What every session of this database has in its own `info`."""
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False, info=self.info)
        self._statements = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """For reading; whatever was changed is rolled back."""
        async with self._sessions() as db:
            yield db

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """For SELECTs alone, each a transaction of its own: spares the round trips for BEGIN and ROLLBACK.

        What writes or locks needs `unit_of_work()`: here each statement would be committed at once.
        """
        async with Reader(self._statements, self.engine, self.info) as db:
            yield db

    @asynccontextmanager
    async def unit_of_work(self) -> AsyncIterator[AsyncSession]:
        """One commit at the end, a rollback on any error."""
        async with self._sessions() as db, db.begin():
            yield db

    async def ping(self) -> None:
        async with self.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def dispose(self) -> None:
        await self.engine.dispose()


class Question:
    """A SELECT put into words once. Constants in it, and the values given for it, must be what the driver takes."""

    def __init__(self, statement: Select[*tuple[Any, ...]] | TextClause) -> None:
        compiled = statement.compile(dialect=_DIALECT)
        self.statement = statement
        self.text = str(compiled)
        self._names = tuple(compiled.positiontup or ())
        self._constants = compiled.params

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        return [values[name] if name in values else self._constants[name] for name in self._names]


class Reader(AsyncSession):
    """The session of `Database.reading()`; `rows` asks the driver itself, at half of what a session costs."""

    def __init__(self, statements: AsyncEngine, engine: AsyncEngine, info: dict[str, Any]) -> None:
        super().__init__(statements, expire_on_commit=False, autoflush=False, info=info)
        self._engine = engine

    async def rows(self, question: Question, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        async with self._engine.connect() as connection:
            driver: Any = (await connection.get_raw_connection()).driver_connection
            try:
                return await driver.fetch(question.text, *question.arguments(values))  # type: ignore[no-any-return] # asyncpg is untyped
            except (PostgresError, InterfaceError, OSError):
                if not driver.is_closed():
                    raise
                await connection.invalidate()
        # The session sees to the other connections that may have broken with this one, and says so as it always does.
        return (await self.execute(question.statement, dict(values))).all()


async def rows_of(db: AsyncSession, question: Question, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
    """The answer by position. In a unit of work, what it has written is seen."""
    if isinstance(db, Reader):
        return await db.rows(question, values)
    return (await db.execute(question.statement, dict(values))).all()


async def write_session(request: Request) -> AsyncIterator[AsyncSession]:
    async with request.app.state.resources.db.unit_of_work() as db:
        # core.idempotency stores the answer in this same transaction.
        request.state.unit_of_work = db
        yield db


async def read_session(request: Request) -> AsyncIterator[AsyncSession]:
    async with request.app.state.resources.db.reading() as db:
        yield db


WriteSession = Annotated[AsyncSession, Depends(write_session, scope="function")]
ReadSession = Annotated[AsyncSession, Depends(read_session, scope="function")]
