"""Noting that a ticket is in another system too: an internal entry of the timeline."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.models.ticket import TicketChange
from app.tickets.errors import TicketMissing
from app.tickets.repository import TicketRepository
from app.tickets.service.categorisation import DESK


async def note_export(db: AsyncSession, ticket_id: int, *, system: str, external_id: str, url: str | None) -> None:
    """As the desk itself. A ticket that was deleted meanwhile needs no note."""
    try:
        ticket = await TicketRepository(db, DESK).get(ticket_id, lock=True)
    except TicketMissing:
        return
    ticket.touch()
    db.add(
        TicketChange(
            ticket_id=ticket.id,
            actor_id=None,
            action="exported",
            version=ticket.version,
            changes={"export": [None, {"system": system, "external_id": external_id, "url": url}]},
            internal=True,
            created_at=ticket.updated_at,
        )
    )
