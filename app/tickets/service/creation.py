"""Opening a ticket: the ticket, its first timeline entry and its event, in as few round trips as can be."""

from typing import Any

from sqlalchemy import Table, bindparam, insert, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.core.clock import now
from app.models.ticket import Priority, Ticket, TicketChange, TicketStatus
from app.outbox import writer as outbox
from app.tickets.events import TicketCreated
from app.tickets.schemas import PersonOut, TicketOut

GENERAL = "general"

_tickets: Table = Ticket.__table__  # type: ignore[assignment]
_changes: Table = TicketChange.__table__  # type: ignore[assignment]

_COLUMNS = (
    "title", "description", "status", "priority", "category", "team", "tags", "confidence", "requester_id",
    "version", "created_at", "updated_at",
)  # fmt: skip

# One statement for all three rows: entry and event need the ticket's number, which only the insert can tell.
_new = insert(_tickets).values({name: bindparam(name) for name in _COLUMNS}).returning(_tickets.c.id).cte("new")
_entry = (
    insert(_changes)
    .from_select(
        ["ticket_id", "actor_id", "action", "version", "changes", "internal", "created_at"],
        select(
            _new.c.id,
            bindparam("actor_id", type_=_changes.c.actor_id.type),
            literal("created"),
            literal(1),
            bindparam("changes", type_=_changes.c.changes.type),
            literal(False),
            bindparam("entered_at", type_=_changes.c.created_at.type),
        ),
        include_defaults=False,
    )
    .cte("entry")
)
_event = outbox.adding(TicketCreated, kind="ticket", field="ticket_id", number=_new.c.id).cte("event")
_CREATE = select(_new.c.id).add_cte(_entry, _event)
_NOT_YET = 0


async def create(
    db: AsyncSession,
    who: Principal,
    *,
    title: str,
    description: str,
    priority: Priority | None = None,
    category: str | None = None,
    team: str | None = None,
    tags: list[str] | None = None,
    confidence: float | None = None,
) -> TicketOut:
    """Open a ticket in the name of `who`. Without a category it is "general", and the desk looks for a better one."""
    at = now()
    values: dict[str, Any] = {
        "title": title,
        "description": description,
        "status": TicketStatus.OPEN.value,
        "priority": (priority or Priority.MEDIUM).value,
        "category": category or GENERAL,
        "team": team,
        "tags": tags or [],
        "confidence": confidence,
        "requester_id": who.user_id,
        "version": 1,
        "created_at": at,
        "updated_at": at,
    }
    # Only what was chosen: categorisation must later tell a choice from a default.
    chosen = {"priority": priority, "category": category, "team": team, "tags": tags or None}
    changes = {name: [None, value] for name, value in chosen.items() if value is not None}
    created = TicketCreated(ticket_id=_NOT_YET, requester_id=who.user_id, categorise=category is None)
    entry = {"actor_id": who.user_id, "changes": changes, "entered_at": at}
    ticket_id: int = (await db.execute(_CREATE, {**values, **entry, **outbox.values(created)})).scalar_one()
    del values["requester_id"]
    return TicketOut(
        id=ticket_id,
        requester=PersonOut(id=who.user_id, username=who.username),
        assignee=None,
        resolved_at=None,
        **values,
    )
