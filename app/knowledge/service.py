"""Looking for what is known about a problem: by its words and by its meaning, fused into one order."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.knowledge.schemas import Evidence
from app.models.ticket import TicketStatus, Visibility
from app.tickets import service as tickets

SOLVED = (TicketStatus.RESOLVED, TicketStatus.CLOSED)
TEXT_CHARS = 2_000
_CANDIDATES = 20
_RANK_CONSTANT = 60
"""Reciprocal rank fusion (Cormack, Clarke and Büttcher 2009): a hit at rank r counts 1 / (60 + r)."""


async def search(db: AsyncSession, who: Principal, *, query: str, limit: int = 5) -> list[Evidence]:
    """Resolved tickets that `who` may see, best first."""
    by_words = await tickets.search(db, who, text=query, statuses=SOLVED, limit=_CANDIDATES)
    by_meaning = await tickets.find_similar(db, who, text=query, statuses=SOLVED, limit=_CANDIDATES)
    points: dict[int, float] = {}
    for ranked in ([row.id for row in by_words], [row.id for row in by_meaning]):
        for rank, ticket_id in enumerate(ranked, start=1):
            points[ticket_id] = points.get(ticket_id, 0.0) + 1 / (_RANK_CONSTANT + rank)
    best = sorted(points, key=lambda ticket_id: (-points[ticket_id], -ticket_id))[:limit]
    most = 2 / (_RANK_CONSTANT + 1)
    return [await _evidence(db, who, ticket_id, points[ticket_id] / most) for ticket_id in best]


async def _evidence(db: AsyncSession, who: Principal, ticket_id: int, score: float) -> Evidence:
    ticket = await tickets.get(db, who, ticket_id)
    said = await tickets.comments(db, who, ticket_id, limit=100)
    public = [comment.body for comment in said.rows if comment.visibility is Visibility.PUBLIC]
    return Evidence(
        ticket_id=ticket.id,
        title=ticket.title,
        text=ticket.description[:TEXT_CHARS],
        category=ticket.category,
        resolution=public[-1][:TEXT_CHARS] if public else None,
        score=round(min(score, 1.0), 4),
    )
