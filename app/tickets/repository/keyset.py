"""Pages of joined rows. `core.repository` pages whole entities; these are columns of several tables."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select

from app.core.pagination import BadCursor, decode_cursor
from app.core.schemas import BIGINT_MAX

Columns = Select[*tuple[Any, ...]]
"""A query for columns, of whatever types."""


def cursor_values(cursor: str, *, order: str, kinds: Sequence[type[Any]]) -> list[Any]:
    """What the cursor stands after. Raises BadCursor for one of another order, or with what no column could hold."""
    named, *values = decode_cursor(cursor, size=len(kinds) + 1)
    if named != order or not all(_storable(value, kind) for value, kind in zip(values, kinds, strict=True)):
        raise BadCursor
    return values


def after_id(query: Columns, key: Any, *, cursor: str | None, limit: int) -> Columns:
    """By rising id: a page and one row more, which tells whether there is another."""
    if cursor is not None:
        query = query.where(key > cursor_values(cursor, order="id", kinds=[int])[0])
    return query.order_by(key).limit(limit + 1)


def _storable(value: Any, kind: type[Any]) -> bool:
    # Moments come out of a cursor aware and in range, or not at all.
    if type(value) is not kind:
        return False
    if isinstance(value, int):
        return abs(value) <= BIGINT_MAX
    return not (isinstance(value, str) and "\x00" in value)
