"""The list of tickets: one statement for each combination of filters, sort and direction, made once and kept.

Building a SELECT of this size, and finding it again in SQLAlchemy's cache, costs more than running it; so values are
bound by name, and only the shape decides which statement it is.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Integer,
    String,
    Text,
    any_,
    bindparam,
    case,
    func,
    or_,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import TypeEngine

from app.core.auth import Principal
from app.core.db import Question
from app.core.schemas import BIGINT_MAX
from app.models.ticket import Priority
from app.tickets.repository.keyset import cursor_values
from app.tickets.repository.shown import PLAIN, SHOWN, assignee, requester, tickets
from app.tickets.schemas import TicketQuery

_NUMBER = re.compile(r"#(\d{1,19})")
_RANKS = {priority.value: rank for rank, priority in enumerate(Priority)}

_MOMENT = DateTime(timezone=True)
_SORTS: dict[str, tuple[ColumnElement[Any], TypeEngine[Any], type[Any]]] = {
    "created_at": (tickets.c.created_at, _MOMENT, datetime),
    "updated_at": (tickets.c.updated_at, _MOMENT, datetime),
    "priority": (case(_RANKS, value=tickets.c.priority), Integer(), int),
    "status": (tickets.c.status, String(), str),
}


def full_text(words: ColumnElement[str]) -> ColumnElement[bool]:
    """In the web's syntax, which PostgreSQL accepts whatever is typed."""
    return tickets.c.search.op("@@", return_type=None)(func.websearch_to_tsquery("simple", words))


def _any_of(column: Any, name: str) -> ColumnElement[bool]:
    return column == any_(bindparam(name, type_=ARRAY(Text)))  # type: ignore[no-any-return] # a column's comparison


_CONDITIONS: dict[str, ColumnElement[bool]] = {
    "own": tickets.c.requester_id == bindparam("own", type_=BigInteger),
    "status": _any_of(tickets.c.status, "status"),
    "priority": _any_of(tickets.c.priority, "priority"),
    "category": _any_of(tickets.c.category, "category"),
    "team": _any_of(tickets.c.team, "team"),
    "tag": tickets.c.tags.contains(bindparam("tag", type_=ARRAY(Text))),
    "assignee": assignee.c.username == bindparam("assignee", type_=String),
    "assignee_id": tickets.c.assignee_id == bindparam("assignee_id", type_=BigInteger),
    "unassigned": tickets.c.assignee_id.is_(None),
    "requester": requester.c.username == bindparam("requester", type_=String),
    "requester_id": tickets.c.requester_id == bindparam("requester_id", type_=BigInteger),
    "created_after": tickets.c.created_at > bindparam("created_after", type_=_MOMENT),
    "created_before": tickets.c.created_at < bindparam("created_before", type_=_MOMENT),
    "words": full_text(bindparam("words", type_=Text)),
    "words_or_number": or_(
        full_text(bindparam("words_or_number", type_=Text)), tickets.c.id == bindparam("number", type_=BigInteger)
    ),
}


def list_statement(who: Principal, asked: TicketQuery) -> tuple[Question, dict[str, Any]]:
    """The statement for one page and one row more, and the values to run it with. Raises BadCursor."""
    values = _values(who, asked)
    conditions = tuple(name for name in values if name in _CONDITIONS)
    if asked.cursor is not None:
        _, _, kind = _SORTS.get(asked.sort.removeprefix("-"), (None, None, None))
        kinds = [int] if kind is None else [kind, int]
        found = cursor_values(asked.cursor, order=asked.sort, kinds=kinds)
        values |= {"after_id": found[-1], "after": found[0]}
    values["fetched"] = asked.limit + 1
    return _statement(conditions, asked.sort, asked.cursor is not None), values


def cursor_of(last: Sequence[Any], sort: str) -> list[Any]:
    """What the next page starts after."""
    name = sort.removeprefix("-")
    number, value = last[PLAIN.index("id")], last[PLAIN.index(name)]
    if name == "id":
        return [sort, number]
    return [sort, _RANKS[value] if name == "priority" else value, number]


@lru_cache(maxsize=1024)
def _statement(conditions: tuple[str, ...], sort: str, continued: bool) -> Question:
    query = SHOWN.where(*(_CONDITIONS[name] for name in conditions))
    descending = sort.startswith("-")
    columns: list[ColumnElement[Any]] = [tickets.c.id]
    position: list[ColumnElement[Any]] = [bindparam("after_id", type_=BigInteger)]
    if (name := sort.removeprefix("-")) in _SORTS:
        column, type_, _ = _SORTS[name]
        columns.insert(0, column)
        position.insert(0, bindparam("after", type_=type_))
    if continued:
        here, last = tuple_(*columns), tuple_(*position)
        query = query.where(here < last if descending else here > last)
    query = query.order_by(*(column.desc() if descending else column.asc() for column in columns))
    return Question(query.limit(bindparam("fetched", type_=Integer)))


def _values(who: Principal, asked: TicketQuery) -> dict[str, Any]:
    """Conditions and their values. Names of values alone ("number") are no conditions."""
    values: dict[str, Any] = {} if who.is_staff else {"own": who.user_id}
    for name in ("status", "priority", "category", "team", "tag"):
        if wanted := getattr(asked, name):
            values[name] = [str(value) for value in wanted]
    for role in ("assignee", "requester"):
        if (person := getattr(asked, role)) is not None:
            values |= _person(role, person, who)
    for name in ("created_after", "created_before"):
        if (moment := getattr(asked, name)) is not None:
            values[name] = moment
    if asked.q is not None and (words := asked.q.strip()):
        number = _NUMBER.fullmatch(words)
        if number is not None and int(number[1]) <= BIGINT_MAX:
            values |= {"words_or_number": words, "number": int(number[1])}
        else:
            values["words"] = words
    return values


def _person(role: str, asked: str, who: Principal) -> dict[str, Any]:
    if asked == "me":
        return {f"{role}_id": who.user_id}
    if asked == "none" and role == "assignee":
        return {"unassigned": True}
    if asked.isascii() and asked.isdecimal():
        # A number that no row can have must not reach the driver, which would refuse it.
        return {f"{role}_id": min(int(asked), BIGINT_MAX)}
    return {role: asked.lower()}
