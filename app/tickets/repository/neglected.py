"""Tickets for which the desk has yet to do something that their events asked for: the rows tell, not the messages."""

from dataclasses import dataclass

from sqlalchemy import bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

# Bounded by numbers, not by LIMIT, so that each look costs the same however little it finds.
_NEGLECTED = text(
    """
    SELECT id, version, embed, categorise FROM (
        SELECT t.id, t.version,
            NOT EXISTS (SELECT FROM ticket_embeddings e WHERE e.ticket_id = t.id AND e.ticket_version >= (
                SELECT coalesce(max(c.version), 1) FROM ticket_changes c
                WHERE c.ticket_id = t.id AND c.changes ?| ARRAY['title', 'description'])) AS embed,
            NOT EXISTS (SELECT FROM ticket_changes c WHERE c.ticket_id = t.id AND (
                c.action = :categorised OR (c.version = 1 AND c.changes ? 'category'))) AS categorise
        FROM tickets t
        WHERE t.id BETWEEN :first AND :last AND t.deleted_at IS NULL
          AND t.updated_at <= clock_timestamp() - make_interval(secs => :age)
    ) AS looked_at WHERE embed OR categorise
    """
).bindparams(bindparam("categorised"), bindparam("first"), bindparam("last"), bindparam("age"))
_NEWEST = text("SELECT coalesce(max(id), 0) FROM tickets")


@dataclass(frozen=True, slots=True)
class Neglected:
    """A ticket whose text, as it is now, has no vector (`embed`), or for which no category was ever looked for."""

    ticket_id: int
    version: int
    embed: bool
    categorise: bool


class NeglectedTickets:
    """For the desk itself, so without access rules."""

    def __init__(self, db: AsyncSession, *, categorised: str) -> None:
        self.db = db
        self._categorised = categorised

    async def newest(self) -> int:
        number: int = (await self.db.execute(_NEWEST)).scalar_one()
        return number

    async def between(self, first: int, last: int, *, seconds: float = 0.0) -> list[Neglected]:
        """Of these numbers, both included, those unchanged for so long."""
        given = {"first": first, "last": last, "age": seconds, "categorised": self._categorised}
        rows = (await self.db.execute(_NEGLECTED, given)).all()
        return [Neglected(row.id, row.version, row.embed, row.categorise) for row in rows]
