"""A ticket with its people's names, as one row and as it is answered.

Selected from the tables themselves: of the mapped classes each row would be made twice.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Table, select

from app.models.ticket import Ticket
from app.models.user import User
from app.tickets.repository.keyset import Columns
from app.tickets.schemas import TicketOut

tickets: Table = Ticket.__table__  # type: ignore[assignment]
_users: Table = User.__table__  # type: ignore[assignment]
requester = _users.alias("requester")
assignee = _users.alias("assignee")

PLAIN = tuple(name for name in TicketOut.model_fields if name not in ("requester", "assignee"))

SHOWN: Columns = (
    select(
        *(tickets.c[name] for name in PLAIN),
        tickets.c.requester_id,
        requester.c.username.label("requester_name"),
        tickets.c.assignee_id,
        assignee.c.username.label("assignee_name"),
    )
    .join_from(tickets, requester, requester.c.id == tickets.c.requester_id)
    .outerjoin(assignee, assignee.c.id == tickets.c.assignee_id)
    .where(tickets.c.deleted_at.is_(None))
)

_TICKETS = TypeAdapter(list[TicketOut])
_COUNT = len(PLAIN)


def shown(rows: Iterable[Sequence[Any]]) -> list[TicketOut]:
    """Rows of `SHOWN`, validated in one go: a page of twenty is some seventy models."""
    return _TICKETS.validate_python([_plain(row) for row in rows])


def _plain(row: Sequence[Any]) -> dict[str, Any]:
    requester_id, requester_name, assignee_id, assignee_name = row[_COUNT:]
    plain = dict(zip(PLAIN, row, strict=False))
    plain["requester"] = {"id": requester_id, "username": requester_name}
    plain["assignee"] = None if assignee_id is None else {"id": assignee_id, "username": assignee_name}
    return plain
