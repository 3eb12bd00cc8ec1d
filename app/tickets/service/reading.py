"""Looking at tickets."""

from collections.abc import Collection

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.core.pagination import Page
from app.tickets.repository import TicketRepository, Timeline, seen
from app.tickets.schemas import ChangeOut, TicketOut, TicketQuery


async def get(db: AsyncSession, who: Principal, ticket_id: int) -> TicketOut:
    """Raises TicketMissing for what `who` may not see."""
    return await TicketRepository(db, who).read(ticket_id)


async def watchable(db: AsyncSession, asked: Collection[tuple[Principal, int]]) -> set[tuple[Principal, int]]:
    """Which of these people may watch which ticket, for many at once."""
    return await seen(db, asked)


async def list_tickets(db: AsyncSession, who: Principal, *, asked: TicketQuery) -> Page[TicketOut]:
    return await TicketRepository(db, who).search(asked)


async def timeline(
    db: AsyncSession, who: Principal, ticket_id: int, *, cursor: str | None = None, limit: int = 50
) -> Page[ChangeOut]:
    await TicketRepository(db, who).get(ticket_id)
    return await Timeline(db, who).of_ticket(ticket_id, cursor=cursor, limit=limit)
