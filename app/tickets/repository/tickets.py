"""Tickets as their viewer may see them: staff all of them, customers their own, nobody a deleted one."""

import re
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, case, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, aliased

from app.core.auth import Role
from app.core.pagination import Page, encode_cursor
from app.core.repository import Repository
from app.core.schemas import BIGINT_MAX
from app.models.ticket import Priority, Ticket, TicketStatus
from app.models.user import User
from app.tickets.errors import AssigneeUnfit, TicketMissing
from app.tickets.repository.keyset import Columns, keyset
from app.tickets.schemas import PersonOut, TicketOut, TicketQuery

_NUMBER = re.compile(r"#(\d{1,19})")

_requester = aliased(User, name="requester")
_assignee = aliased(User, name="assignee")

_SHOWN: Columns = (
    select(
        Ticket.id,
        Ticket.title,
        Ticket.description,
        Ticket.status,
        Ticket.priority,
        Ticket.category,
        Ticket.team,
        Ticket.tags,
        Ticket.confidence,
        Ticket.requester_id,
        _requester.username.label("requester_name"),
        Ticket.assignee_id,
        _assignee.username.label("assignee_name"),
        Ticket.version,
        Ticket.created_at,
        Ticket.updated_at,
        Ticket.resolved_at,
    )
    .join(_requester, _requester.id == Ticket.requester_id)
    .outerjoin(_assignee, _assignee.id == Ticket.assignee_id)
    .where(Ticket.deleted_at.is_(None))
)

_RANKS = {priority.value: rank for rank, priority in enumerate(Priority)}
_RANK = case(_RANKS, value=Ticket.priority)

_SORTS: dict[str, tuple[ColumnElement[Any] | InstrumentedAttribute[Any], type[Any]]] = {
    "created_at": (Ticket.created_at, datetime),
    "updated_at": (Ticket.updated_at, datetime),
    "priority": (_RANK, int),
    "status": (Ticket.status, str),
}


_PLAIN = tuple(name for name in TicketOut.model_fields if name not in ("requester", "assignee"))


def shown(row: Row[*tuple[Any, ...]]) -> TicketOut:
    return TicketOut(
        id=row.id,
        title=row.title,
        description=row.description,
        status=row.status,
        priority=row.priority,
        category=row.category,
        team=row.team,
        tags=row.tags,
        confidence=row.confidence,
        requester=PersonOut(id=row.requester_id, username=row.requester_name),
        assignee=None if row.assignee_id is None else PersonOut(id=row.assignee_id, username=row.assignee_name),
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        resolved_at=row.resolved_at,
    )


class TicketRepository(Repository[Ticket]):
    model = Ticket
    missing = TicketMissing

    def visible(self) -> Select[Ticket]:
        query = select(Ticket).where(Ticket.deleted_at.is_(None))
        return query if self.who.is_staff else query.where(Ticket.requester_id == self.who.user_id)

    async def get(self, key: int, *, lock: bool = False) -> Ticket:
        if not 1 <= key <= BIGINT_MAX:
            raise TicketMissing
        return await super().get(key, lock=lock)

    async def read(self, ticket_id: int) -> TicketOut:
        """The ticket with its people's names, in one query."""
        if not 1 <= ticket_id <= BIGINT_MAX:
            raise TicketMissing
        row = (await self.db.execute(self._own(_SHOWN).where(Ticket.id == ticket_id))).one_or_none()
        if row is None:
            raise TicketMissing
        return shown(row)

    async def read_all(self, ticket_ids: Collection[int]) -> Sequence[TicketOut]:
        """Those of them that may be seen, in no order."""
        rows = await self.db.execute(self._own(_SHOWN).where(Ticket.id.in_(ticket_ids)))
        return [shown(row) for row in rows]

    async def shown(self, ticket: Ticket) -> TicketOut:
        """A row that is already here, with its people's names."""
        names = {self.who.user_id: self.who.username}
        missing = {ticket.requester_id, ticket.assignee_id or ticket.requester_id} - names.keys()
        if missing:
            found = await self.db.execute(select(User.id, User.username).where(User.id.in_(missing)))
            names.update((row.id, row.username) for row in found)
        return TicketOut(
            **{name: getattr(ticket, name) for name in _PLAIN},
            requester=PersonOut(id=ticket.requester_id, username=names[ticket.requester_id]),
            assignee=ticket.assignee_id and PersonOut(id=ticket.assignee_id, username=names[ticket.assignee_id]),
        )

    async def assignable(self, user_id: int) -> str:
        """The name of an active member of the staff; raises AssigneeUnfit for anybody else."""
        query = select(User.username).where(User.id == user_id, User.active, User.role != Role.CUSTOMER)
        username = (await self.db.execute(query)).scalar_one_or_none()
        if username is None:
            raise AssigneeUnfit
        return username

    async def search(self, asked: TicketQuery) -> Page[TicketOut]:
        """One page, in one query; the cursor is bound to the sort that it came from."""
        query = self._filtered(asked)
        name = asked.sort.removeprefix("-")
        columns: list[Any] = [Ticket.id]
        kinds: list[type[Any]] = [int]
        if name != "id":
            column, kind = _SORTS[name]
            columns.insert(0, column)
            kinds.insert(0, kind)
        query = keyset(query, columns, kinds, order=asked.sort, cursor=asked.cursor)
        rows = (await self.db.execute(query.limit(asked.limit + 1))).all()
        if len(rows) <= asked.limit:
            return Page([shown(row) for row in rows])
        last = rows[asked.limit - 1]
        values = [] if name == "id" else [_RANKS[last.priority] if name == "priority" else getattr(last, name)]
        return Page([shown(row) for row in rows[: asked.limit]], encode_cursor([asked.sort, *values, last.id]))

    async def best(self, words: str, *, statuses: Collection[TicketStatus], limit: int) -> Sequence[TicketOut]:
        """Full-text matches, the best first."""
        query = self._own(_SHOWN).where(matches(words))
        if statuses:
            query = query.where(Ticket.status.in_(statuses))
        rank = func.ts_rank(Ticket.search, func.websearch_to_tsquery("simple", words))
        rows = await self.db.execute(query.order_by(rank.desc(), Ticket.id.desc()).limit(limit))
        return [shown(row) for row in rows]

    def _filtered(self, asked: TicketQuery) -> Columns:
        query = self._own(_SHOWN)
        for column, wanted in (
            (Ticket.status, asked.status),
            (Ticket.priority, asked.priority),
            (Ticket.category, asked.category),
            (Ticket.team, asked.team),
        ):
            if wanted:
                query = query.where(column.in_(wanted))
        if asked.tag:
            query = query.where(Ticket.tags.contains(asked.tag))
        if asked.assignee is not None:
            query = query.where(self._is_person(asked.assignee, Ticket.assignee_id, _assignee.username))
        if asked.requester is not None:
            query = query.where(self._is_person(asked.requester, Ticket.requester_id, _requester.username))
        if asked.created_after is not None:
            query = query.where(Ticket.created_at > asked.created_after)
        if asked.created_before is not None:
            query = query.where(Ticket.created_at < asked.created_before)
        if asked.q is not None and asked.q.strip():
            query = query.where(matches(asked.q))
        return query

    def _is_person(self, asked: str, column: Any, username: Any) -> ColumnElement[bool]:
        condition: ColumnElement[bool]
        if asked == "none":
            condition = column.is_(None)
        elif asked == "me":
            condition = column == self.who.user_id
        elif asked.isdecimal() and asked.isascii():
            # A number that no row can have must not reach the driver, which would refuse it.
            condition = column == min(int(asked), BIGINT_MAX)
        else:
            condition = username == asked.lower()
        return condition

    def _own(self, query: Columns) -> Columns:
        return query if self.who.is_staff else query.where(Ticket.requester_id == self.who.user_id)


def matches(words: str) -> ColumnElement[bool]:
    """Full text in the web's syntax, which PostgreSQL accepts whatever is typed; "#12" also finds that number."""
    found: ColumnElement[bool] = Ticket.search.op("@@")(func.websearch_to_tsquery("simple", words))
    number = _NUMBER.fullmatch(words.strip())
    if number is not None and int(number[1]) <= BIGINT_MAX:
        return or_(found, Ticket.id == int(number[1]))
    return found
