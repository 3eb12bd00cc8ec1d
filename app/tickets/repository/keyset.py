"""Pages of joined rows. `core.repository` pages whole entities; these are columns of several tables."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, tuple_

from app.core.pagination import BadCursor, decode_cursor
from app.core.schemas import BIGINT_MAX

Columns = Select[*tuple[Any, ...]]
"""A query for columns, of whatever types."""


def keyset(
    query: Columns, columns: Sequence[Any], kinds: Sequence[type[Any]], *, order: str, cursor: str | None
) -> Columns:
    """`query` after `cursor`, in order of `columns`; an `order` that starts with "-" is descending.

    Raises BadCursor for a cursor of another order, or with values that the columns cannot hold.
    """
    descending = order.startswith("-")
    if cursor is not None:
        named, *values = decode_cursor(cursor, size=len(columns) + 1)
        if named != order or not all(_storable(value, kind) for value, kind in zip(values, kinds, strict=True)):
            raise BadCursor
        position = tuple_(*columns)
        query = query.where(position < tuple(values) if descending else position > tuple(values))
    return query.order_by(*(column.desc() if descending else column.asc() for column in columns))


def _storable(value: Any, kind: type[Any]) -> bool:
    if type(value) is not kind:
        return False
    if isinstance(value, datetime):
        try:
            return value.tzinfo is not None and value.astimezone(UTC) is not None
        except OverflowError:
            return False
    if isinstance(value, int):
        return abs(value) <= BIGINT_MAX
    return isinstance(value, str) and value.isascii() and "\x00" not in value
