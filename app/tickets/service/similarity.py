"""Tickets that are like one another, or like a text, among those that the asker may see: found by words and by meaning,
and put in one order as passages of documents are (`app.knowledge.ranking`)."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.inference.embedding import default_embedder
from app.inference.errors import ModelUnavailable
from app.knowledge import ranking
from app.models.ticket import TicketStatus
from app.tickets.repository import SimilarTickets, TicketRepository
from app.tickets.schemas import SimilarOut, TicketOut

CANDIDATES = 100
"""Looked at of each kind."""
TERMS_MOST = 32

# The model reads 256 tokens; splitting a long log into tokens only to drop them would cost more than the model.
_READ_CHARS = 4000


@dataclass(frozen=True, slots=True)
class Ranked:
    """`fused` is relative to the query's best: 1 where words and meaning both found it first."""

    ticket: SimilarOut
    fused: float


async def similar(db: AsyncSession, who: Principal, ticket_id: int, *, limit: int = 5) -> list[SimilarOut]:
    """Most alike first. A ticket that has no vector yet is compared by its words."""
    ticket = await TicketRepository(db, who).get(ticket_id)
    found = SimilarTickets(db, who, but=ticket.id)
    vector = await found.vector_of(ticket.id, default_embedder().name)
    ranked = await _ranked(found, _text(ticket.title, ticket.description), vector)
    return [one.ticket for one in ranked[:limit]]


async def find_similar(
    db: AsyncSession, who: Principal, *, text: str, statuses: Collection[TicketStatus] = (), limit: int = 5
) -> list[SimilarOut]:
    """Tickets like a text that is none itself; `statuses` narrows the choice, empty for any."""
    return [one.ticket for one in (await rank_similar(db, who, text=text, statuses=statuses))[:limit]]


async def rank_similar(
    db: AsyncSession, who: Principal, *, text: str, statuses: Collection[TicketStatus] = ()
) -> list[Ranked]:
    """Every candidate, best first; by words alone where the model cannot be had."""
    text = text[:_READ_CHARS].replace("\x00", " ")
    try:
        vector = (await asyncio.to_thread(default_embedder().embed, [text]))[0]
    except ModelUnavailable:
        vector = None
    return await _ranked(SimilarTickets(db, who, statuses=statuses), text, vector)


async def search(
    db: AsyncSession, who: Principal, *, text: str, statuses: Collection[TicketStatus] = (), limit: int = 10
) -> list[TicketOut]:
    """Full text in the web's syntax, best match first; words that are never found together are tried one by one."""
    tickets = TicketRepository(db, who)
    rows = await tickets.best(text, statuses=statuses, limit=limit)
    if rows:
        return list(rows)
    text = text[:_READ_CHARS].replace("\x00", " ")
    likely = await _ranked(SimilarTickets(db, who, statuses=statuses), text, None)
    ids = [one.ticket.id for one in likely[:limit]]
    shown = {ticket.id: ticket for ticket in await tickets.read_all(ids)}
    return [shown[ticket_id] for ticket_id in ids if ticket_id in shown]


async def vector_of(ticket: TicketOut) -> list[float]:
    """The ticket's text as a vector of `default_embedder()`. CPU work, in a thread; hold no connection meanwhile."""
    vectors = await asyncio.to_thread(default_embedder().embed, [_text(ticket.title, ticket.description)])
    return [float(value) for value in vectors[0]]


async def keep_vector(
    db: AsyncSession, who: Principal, ticket_id: int, *, version: int, vector: Sequence[float]
) -> None:
    """Store what `vector_of` made of the ticket's `version`. It never replaces the vector of a later one."""
    ticket = await TicketRepository(db, who).get(ticket_id)
    await SimilarTickets(db, who).store(ticket.id, model=default_embedder().name, version=version, vector=vector)


async def _ranked(found: SimilarTickets, text: str, vector: Any | None) -> list[Ranked]:
    model = default_embedder().name
    asked = await found.asked(text)
    weights = ranking.rarest(asked, most=TERMS_MOST)
    ids = set(await found.nearest(vector, model, limit=CANDIDATES)) if vector is not None else set()
    if weights:
        ids.update(await found.by_words(weights, limit=CANDIDATES))
    rows = await found.compared(ids, vector, model, weights) if ids else []
    said = [
        ranking.bm25(row.counts or {}, weights, words=row.words or 1, mean_words=asked.corpus.mean_words)
        for row in rows
    ]
    best_said = max(said, default=0.0)
    best_near = max((row.cosine or 0.0 for row in rows), default=0.0)
    ranked = []
    for row, lexical in zip(rows, said, strict=True):
        fused = ranking.fused(lexical, row.cosine or 0.0, best_lexical=best_said, best_cosine=best_near)
        ranked.append(_shown(row, lexical, fused, strength=best_near if best_near > 0 else best_said))
    return sorted(ranked, key=lambda one: (-one.fused, -one.ticket.id))


def _shown(row: Any, lexical: float, fused: float, *, strength: float) -> Ranked:
    """The order is relative to the best; `strength` says how good that is, so that a score can be compared."""
    ticket = SimilarOut(
        id=row.id,
        title=row.title,
        status=row.status,
        priority=row.priority,
        category=row.category,
        team=row.team,
        resolved_at=row.resolved_at,
        score=_share(fused * strength),
        words=_share(lexical),
        meaning=None if row.cosine is None else _share(row.cosine),
        matched_by="text" if row.cosine is None else "vector",
    )
    return Ranked(ticket, min(fused, 1.0))


def _share(value: float) -> float:
    return round(min(max(value, 0.0), 1.0), 4)


def _text(title: str, description: str) -> str:
    return f"{title}\n{description}"[:_READ_CHARS]
