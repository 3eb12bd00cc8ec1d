"""A ticket with its people's names, as one row and as it is answered."""

from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Row, select
from sqlalchemy.orm import aliased

from app.models.ticket import Ticket
from app.models.user import User
from app.tickets.repository.keyset import Columns
from app.tickets.schemas import TicketOut

requester = aliased(User, name="requester")
assignee = aliased(User, name="assignee")

PLAIN = tuple(name for name in TicketOut.model_fields if name not in ("requester", "assignee"))

SHOWN: Columns = (
    select(
        *(getattr(Ticket, name) for name in PLAIN),
        Ticket.requester_id,
        requester.username.label("requester_name"),
        Ticket.assignee_id,
        assignee.username.label("assignee_name"),
    )
    .join(requester, requester.id == Ticket.requester_id)
    .outerjoin(assignee, assignee.id == Ticket.assignee_id)
    .where(Ticket.deleted_at.is_(None))
)

_TICKETS = TypeAdapter(list[TicketOut])
_COUNT = len(PLAIN)


def shown(rows: Iterable[Row[*tuple[Any, ...]]]) -> list[TicketOut]:
    """Rows of `SHOWN`, validated in one go: a page of twenty is some seventy models."""
    return _TICKETS.validate_python([_plain(row) for row in rows])


def _plain(row: Row[*tuple[Any, ...]]) -> dict[str, Any]:
    requester_id, requester_name, assignee_id, assignee_name = row[_COUNT:]
    plain = dict(zip(PLAIN, row, strict=False))
    plain["requester"] = {"id": requester_id, "username": requester_name}
    plain["assignee"] = None if assignee_id is None else {"id": assignee_id, "username": assignee_name}
    return plain
