"""Noting on a ticket what became of it elsewhere: internal entries of the timeline, by the desk itself."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.tickets.errors import TicketMissing
from app.tickets.repository import TicketRepository
from app.tickets.service.categorisation import DESK
from app.tickets.service.telling import enter


async def note_escalation(db: AsyncSession, ticket_id: int, *, level: str, team: str | None, report: str) -> None:
    """That it went to somebody. Raises TicketMissing."""
    await _note(db, ticket_id, "escalated", "escalation", {"level": level, "team": team, "report": report})


async def note_export(db: AsyncSession, ticket_id: int, *, system: str, external_id: str, url: str | None) -> None:
    """That it is in another system too. A ticket that was deleted meanwhile needs no note."""
    try:
        await _note(db, ticket_id, "exported", "export", {"system": system, "external_id": external_id, "url": url})
    except TicketMissing:
        return


async def _note(db: AsyncSession, ticket_id: int, action: str, name: str, value: dict[str, str | None]) -> None:
    ticket = await TicketRepository(db, DESK).get(ticket_id, lock=True)
    ticket.touch()
    enter(db, ticket, DESK, action, {name: [None, value]}, internal=True)
