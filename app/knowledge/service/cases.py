"""How earlier problems like this one ended, by their words and by their meaning, fused into one order."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.knowledge.ranking import RANK_CONSTANT
from app.knowledge.schemas import CaseEvidence
from app.models.ticket import TicketStatus, Visibility
from app.tickets import service as tickets

SOLVED = (TicketStatus.RESOLVED, TicketStatus.CLOSED)
TEXT_CHARS = 2_000
_CANDIDATES = 20


async def resolved_cases(db: AsyncSession, who: Principal, *, query: str, limit: int = 5) -> list[CaseEvidence]:
    """Resolved tickets that `who` may see, best first."""
    by_words = await tickets.search(db, who, text=query, statuses=SOLVED, limit=_CANDIDATES)
    by_meaning = await tickets.find_similar(db, who, text=query, statuses=SOLVED, limit=_CANDIDATES)
    points: dict[int, float] = {}
    for ranked in ([row.id for row in by_words], [row.id for row in by_meaning]):
        for rank, ticket_id in enumerate(ranked, start=1):
            points[ticket_id] = points.get(ticket_id, 0.0) + 1 / (RANK_CONSTANT + rank)
    best = sorted(points, key=lambda ticket_id: (-points[ticket_id], -ticket_id))[:limit]
    most = 2 / (RANK_CONSTANT + 1)
    return [await _evidence(db, who, ticket_id, points[ticket_id] / most) for ticket_id in best]


async def _evidence(db: AsyncSession, who: Principal, ticket_id: int, score: float) -> CaseEvidence:
    ticket = await tickets.get(db, who, ticket_id)
    said = await tickets.comments(db, who, ticket_id, limit=100)
    public = [comment.body for comment in said.rows if comment.visibility is Visibility.PUBLIC]
    return CaseEvidence(
        ticket_id=ticket.id,
        title=ticket.title,
        text=ticket.description[:TEXT_CHARS],
        category=ticket.category,
        resolution=public[-1][:TEXT_CHARS] if public else None,
        score=round(min(score, 1.0), 4),
    )
