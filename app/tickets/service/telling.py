"""What goes with every change of a ticket: its entry in the timeline, and the word to those who watch."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.models.ticket import Ticket, TicketChange
from app.outbox import writer as outbox
from app.tickets.events import TicketStatusChanged


def enter(
    db: AsyncSession,
    ticket: Ticket,
    who: Principal,
    action: str,
    changes: Mapping[str, list[object]],
    *,
    internal: bool = False,
    at: datetime | None = None,
) -> None:
    """`changes` are [before, after] by field; `at` is otherwise when the ticket was last changed."""
    db.add(
        TicketChange(
            ticket_id=ticket.id,
            # The desk itself is nobody.
            actor_id=who.user_id or None,
            action=action,
            version=ticket.version,
            changes=dict(changes),
            internal=internal,
            created_at=at or ticket.updated_at,
        )
    )


def tell_status(db: AsyncSession, ticket: Ticket, who: Principal, *, previous: str) -> None:
    outbox.add(
        db,
        TicketStatusChanged(
            ticket_id=ticket.id,
            status=ticket.status,
            previous=previous,
            updated_by=who.username,
            timestamp=ticket.updated_at,
        ),
    )
