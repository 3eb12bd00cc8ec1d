"""Which visible tickets are like a text: candidates by words and by vector, each looked for among the visible ones."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Float, Row, func, literal, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import words
from app.core.auth import Principal
from app.models.ticket import Ticket, TicketEmbedding, TicketStatus
from app.tickets.repository.keyset import Columns
from app.tickets.repository.tickets import TicketRepository

_WORDS = words.Words("tickets", "search", "length(search)", sampled=500)
# Of the column itself: it keeps words as they are.
_CONFIGURATION = "simple"


class SimilarTickets:
    def __init__(
        self,
        db: AsyncSession,
        who: Principal,
        *,
        statuses: Collection[TicketStatus] = (),
        but: int | None = None,
    ) -> None:
        self.db = db
        self.who = who
        self.statuses = statuses
        self.but = but

    async def vector_of(self, ticket_id: int, model: str) -> Any | None:
        """The stored vector, None while the ticket has none of this model. Access is the caller's to check."""
        query = select(TicketEmbedding.vector).where(
            TicketEmbedding.ticket_id == ticket_id, TicketEmbedding.model == model
        )
        return (await self.db.execute(query)).scalar_one_or_none()

    async def asked(self, text: str) -> words.Asked:
        """The text's words, each with the number of tickets that have it; a ticket's length counts each word once."""
        return await _WORDS.of_query(self.db, text, [_CONFIGURATION])

    async def by_words(self, weights: Mapping[str, float], *, limit: int) -> list[int]:
        query = self._visible(Ticket.id).where(words.any_of(Ticket.search, weights))
        query = query.order_by(words.heaviness(Ticket.search, weights).desc(), Ticket.id.desc()).limit(limit)
        return list((await self.db.execute(query)).scalars())

    async def nearest(self, vector: Any, model: str, *, limit: int) -> list[int]:
        query = self._visible(Ticket.id).join(TicketEmbedding, TicketEmbedding.ticket_id == Ticket.id)
        query = query.where(TicketEmbedding.model == model)
        query = query.order_by(TicketEmbedding.vector.cosine_distance(vector)).limit(limit)
        return list((await self.db.execute(query)).scalars())

    async def compared(
        self, ids: Collection[int], vector: Any | None, model: str, terms: Collection[str]
    ) -> list[Row[Any]]:
        """What is shown of these tickets, with their length, their cosine (None without a vector) and their words."""
        near = literal(None) if vector is None else (1 - TicketEmbedding.vector.cosine_distance(vector)).cast(Float)
        query = self._visible(
            Ticket.id,
            Ticket.title,
            Ticket.status,
            Ticket.priority,
            Ticket.category,
            Ticket.team,
            Ticket.resolved_at,
            func.length(Ticket.search).label("words"),
            near.label("cosine"),
            words.counts(Ticket.search, terms).label("counts"),
        ).where(Ticket.id.in_(ids))
        mine = (TicketEmbedding.ticket_id == Ticket.id) & (TicketEmbedding.model == model)
        return list((await self.db.execute(query.outerjoin(TicketEmbedding, mine))).all())

    async def store(self, ticket_id: int, *, model: str, version: int, vector: Any) -> None:
        """Keeps what is there when that is of the same model and a later version."""
        row = insert(TicketEmbedding).values(ticket_id=ticket_id, model=model, ticket_version=version, vector=vector)
        await self.db.execute(
            row.on_conflict_do_update(
                index_elements=[TicketEmbedding.ticket_id],
                set_={"model": row.excluded.model, "ticket_version": version, "vector": row.excluded.vector},
                where=or_(TicketEmbedding.model != row.excluded.model, TicketEmbedding.ticket_version < version),
            )
        )

    def _visible(self, *columns: Any) -> Columns:
        query = TicketRepository(self.db, self.who).visible()
        if self.but is not None:
            query = query.where(Ticket.id != self.but)
        if self.statuses:
            query = query.where(Ticket.status.in_(self.statuses))
        return query.with_only_columns(*columns)
