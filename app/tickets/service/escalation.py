"""Noting that a case went to somebody: an internal entry of the timeline."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.models.ticket import TicketChange
from app.tickets.repository import TicketRepository
from app.tickets.service.categorisation import DESK


async def note_escalation(db: AsyncSession, ticket_id: int, *, level: str, team: str | None, report: str) -> None:
    """As the desk itself. Raises TicketMissing."""
    ticket = await TicketRepository(db, DESK).get(ticket_id, lock=True)
    changes = {"escalation": [None, {"level": level, "team": team, "report": report}]}
    ticket.touch()
    db.add(
        TicketChange(
            ticket_id=ticket.id,
            actor_id=None,
            action="escalated",
            version=ticket.version,
            changes=changes,
            internal=True,
            created_at=ticket.updated_at,
        )
    )
