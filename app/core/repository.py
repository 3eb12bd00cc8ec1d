"""Rows, starting from what the viewer may see, so that forgetting access is impossible rather than discouraged."""

from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, false, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute

from app.core.auth import Principal, Role
from app.core.errors import NotFound
from app.core.pagination import BadCursor, Page, decode_cursor, encode_cursor
from app.core.schemas import BIGINT_MAX

Model = TypeVar("Model", bound=DeclarativeBase)


class Repository(Generic[Model]):
    model: ClassVar[type[DeclarativeBase]]
    missing: ClassVar[type[NotFound]] = NotFound

    def __init__(self, db: AsyncSession, who: Principal) -> None:
        self.db = db
        self.who = who

    def visible(self) -> Select[Model]:
        """Every query of the room starts here."""
        raise TypeError(f"{type(self).__name__} must say what its viewer may see")

    async def get(self, key: Any, *, lock: bool = False) -> Model:
        """The row, or the room's `missing` error; `lock` holds it until the unit of work ends."""
        if isinstance(key, int) and abs(key) > BIGINT_MAX:
            raise self.missing
        query = self.visible().where(self._key() == key)
        if lock:
            query = query.with_for_update(of=self.model).execution_options(populate_existing=True)
        row = (await self.db.execute(query)).scalar_one_or_none()
        if row is None:
            raise self.missing
        return row

    async def page(
        self,
        query: Select[Model],
        *,
        sort: InstrumentedAttribute[Any] | None = None,
        descending: bool = True,
        cursor: str | None,
        limit: int,
    ) -> Page[Model]:
        """`limit` rows after `cursor`, by `sort` (never null), then id. A cursor is bound to column and direction."""
        key = self._key()
        columns: list[ColumnElement[Any] | InstrumentedAttribute[Any]] = [key] if sort is None else [sort, key]
        order = f"{'-' if descending else ''}{sort.key if sort is not None else key.key}"
        if cursor is not None:
            named, *values = decode_cursor(cursor, size=len(columns) + 1)
            if named != order:
                raise BadCursor
            for column, value in zip(columns, values, strict=True):
                if not isinstance(value, column.type.python_type):
                    raise BadCursor
            position = tuple_(*columns)
            query = query.where(position < tuple(values) if descending else position > tuple(values))
        query = query.order_by(*(c.desc() if descending else c.asc() for c in columns)).limit(limit + 1)
        rows: Sequence[Model] = (await self.db.execute(query)).scalars().all()
        if len(rows) <= limit:
            return Page(rows)
        last = rows[limit - 1]
        return Page(rows[:limit], encode_cursor([order, *(getattr(last, c.key) for c in columns)]))  # type: ignore[arg-type]

    def _key(self) -> InstrumentedAttribute[Any]:
        key: InstrumentedAttribute[Any] = self.model.id  # type: ignore[attr-defined]
        return key


class AdministratorsRepository(Repository[Model]):
    """Administrators see every row, nobody else any."""

    def visible(self) -> Select[Model]:
        rows: Select[Model] = select(self.model)
        return rows if self.who.role is Role.ADMIN else rows.where(false())
