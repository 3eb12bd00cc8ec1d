"""How earlier problems like this one ended, found by words and by meaning as similar tickets are."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.knowledge.schemas import CaseEvidence
from app.models.ticket import TicketStatus, Visibility
from app.tickets import service as tickets

SOLVED = (TicketStatus.RESOLVED, TicketStatus.CLOSED)
TEXT_CHARS = 2_000


async def resolved_cases(db: AsyncSession, who: Principal, *, query: str, limit: int = 5) -> list[CaseEvidence]:
    """Resolved tickets that `who` may see, best first."""
    ranked = await tickets.rank_similar(db, who, text=query, statuses=SOLVED)
    return [await _evidence(db, who, one.ticket.id, one.fused) for one in ranked[:limit]]


async def _evidence(db: AsyncSession, who: Principal, ticket_id: int, score: float) -> CaseEvidence:
    ticket = await tickets.get(db, who, ticket_id)
    said = await tickets.comments(db, who, ticket_id, limit=100)
    # The last word is often the customer's "thanks"; what solved it was said to them.
    told = [
        comment.body
        for comment in said.rows
        if comment.visibility is Visibility.PUBLIC and comment.author.id != ticket.requester.id
    ]
    return CaseEvidence(
        ticket_id=ticket.id,
        title=ticket.title,
        text=ticket.description[:TEXT_CHARS],
        category=ticket.category,
        resolution=told[-1][:TEXT_CHARS] if told else None,
        score=round(min(score, 1.0), 4),
    )
