"""Tickets that are like one another, or like a text, among those that the asker may see."""

import asyncio
from collections.abc import Collection, Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.inference.embedding import default_embedder
from app.inference.errors import ModelUnavailable
from app.models.ticket import TicketStatus
from app.tickets.repository import SimilarTickets, TicketRepository
from app.tickets.schemas import SimilarOut, TicketOut

# The model reads 256 tokens; splitting a long log into tokens only to drop them would cost more than the model.
_READ_CHARS = 4000


async def similar(db: AsyncSession, who: Principal, ticket_id: int, *, limit: int = 5) -> list[SimilarOut]:
    """Most alike first. A ticket that has no vector yet is compared by its words."""
    ticket = await TicketRepository(db, who).get(ticket_id)
    found = SimilarTickets(db, who)
    model = default_embedder().name
    vector = await found.vector_of(ticket.id, model)
    if vector is None:
        return await found.sharing_words(_text(ticket.title, ticket.description), but=ticket.id, limit=limit)
    return await found.nearest(vector, model, but=ticket.id, limit=limit)


async def find_similar(
    db: AsyncSession, who: Principal, *, text: str, statuses: Collection[TicketStatus] = (), limit: int = 5
) -> list[SimilarOut]:
    """Tickets like a text that is none itself; `statuses` narrows the choice, empty for any."""
    found = SimilarTickets(db, who, statuses=statuses)
    embedder = default_embedder()
    try:
        vectors = await asyncio.to_thread(embedder.embed, [text[:_READ_CHARS]])
    except ModelUnavailable:
        return await found.sharing_words(text[:_READ_CHARS], but=None, limit=limit)
    return await found.nearest(vectors[0], embedder.name, but=None, limit=limit)


async def search(
    db: AsyncSession, who: Principal, *, text: str, statuses: Collection[TicketStatus] = (), limit: int = 10
) -> list[TicketOut]:
    """Full text in the web's syntax, best match first; words that are never found together are tried one by one."""
    tickets = TicketRepository(db, who)
    rows = await tickets.best(text, statuses=statuses, limit=limit)
    if rows:
        return list(rows)
    likely = await SimilarTickets(db, who, statuses=statuses).sharing_words(text, but=None, limit=limit)
    shown = {ticket.id: ticket for ticket in await tickets.read_all([one.id for one in likely])}
    return [shown[one.id] for one in likely if one.id in shown]


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


def _text(title: str, description: str) -> str:
    return f"{title}\n{description}"[:_READ_CHARS]
