"""Which visible tickets are like a text: by vector where there are any, by shared words otherwise."""

import re
from collections.abc import Collection
from typing import Any, Literal

from sqlalchemy import Float, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.models.ticket import Ticket, TicketEmbedding, TicketStatus
from app.tickets.repository.keyset import Columns
from app.tickets.repository.tickets import TicketRepository
from app.tickets.schemas import SimilarOut

_WORD = re.compile(r"\w[\w.-]*\w")
_MAX_WORDS = 30
# ts_rank's normalisation "rank / (rank + 1)": a score between 0 and 1.
_SHARE = 32


class SimilarTickets:
    def __init__(self, db: AsyncSession, who: Principal, *, statuses: Collection[TicketStatus] = ()) -> None:
        self.db = db
        self.who = who
        self.statuses = statuses

    async def vector_of(self, ticket_id: int, model: str) -> Any | None:
        """The stored vector, None while the ticket has none of this model. Access is the caller's to check."""
        query = select(TicketEmbedding.vector).where(
            TicketEmbedding.ticket_id == ticket_id, TicketEmbedding.model == model
        )
        return (await self.db.execute(query)).scalar_one_or_none()

    async def nearest(self, vector: Any, model: str, *, but: int | None, limit: int) -> list[SimilarOut]:
        distance = TicketEmbedding.vector.cosine_distance(vector)
        query = self._visible(but, (1 - distance).cast(Float))
        query = query.join(TicketEmbedding, TicketEmbedding.ticket_id == Ticket.id)
        query = query.where(TicketEmbedding.model == model).order_by(distance).limit(limit)
        return await self._read(query, "vector")

    async def sharing_words(self, text: str, *, but: int | None, limit: int) -> list[SimilarOut]:
        """By the longest words of the text, any of them: codes and names are long, and "the" is not."""
        words = sorted(dict.fromkeys(_WORD.findall(text.lower())), key=len, reverse=True)[:_MAX_WORDS]
        asked = func.websearch_to_tsquery("simple", " or ".join(f'"{word}"' for word in words))
        rank = func.ts_rank(Ticket.search, asked, _SHARE)
        query = self._visible(but, rank).where(Ticket.search.op("@@")(asked))
        return await self._read(query.order_by(rank.desc(), Ticket.id.desc()).limit(limit), "text")

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

    def _visible(self, but: int | None, score: Any) -> Columns:
        query = TicketRepository(self.db, self.who).visible()
        if but is not None:
            query = query.where(Ticket.id != but)
        if self.statuses:
            query = query.where(Ticket.status.in_(self.statuses))
        return query.with_only_columns(
            Ticket.id,
            Ticket.title,
            Ticket.status,
            Ticket.priority,
            Ticket.category,
            Ticket.team,
            Ticket.resolved_at,
            score.label("score"),
        )

    async def _read(self, query: Columns, matched_by: Literal["vector", "text"]) -> list[SimilarOut]:
        rows = (await self.db.execute(query)).mappings()
        return [
            SimilarOut.model_validate({**row, "score": min(max(row["score"], 0.0), 1.0), "matched_by": matched_by})
            for row in rows
        ]
