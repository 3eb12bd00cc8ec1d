"""Vectors of passages in the database: the truth about them, and the index that is asked unless another is set up."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from pgvector.sqlalchemy import Vector
from sqlalchemy import Text, cast, delete, func, literal, literal_column, select, text
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.db import rows_of
from app.core.vectors.base import Hit, IndexStats, Point, Space
from app.knowledge.repository import queries
from app.models.knowledge import BUILT_IN_SET, Chunk, ChunkEmbedding

MOST_DIMENSIONS = 4_000
"""What a graph over half precision takes; longer vectors are all compared."""
COMPARED_MOST = 20_000
"""Of a reader who may see about so many or fewer, all are compared: the walk would compare as many, and miss some."""
GRAPH = "(m = 24, ef_construction = 200)"
"""Made with more care than by pgvector's own 16 and 64: without it one in twenty of the nearest is not met."""


class PgVectorIndex:
    """In the session's transaction. A search walks the graph and filters on the way; for whoever may see little, all of
    that is compared, and so it is when the walk ends before it has enough."""

    name = "pgvector"

    def __init__(self, db: AsyncSession) -> None:
        self.db = db

    async def prepare(self, space: Space) -> None:
        """The graph is made when the space is filled: see `make_graph`."""

    async def upsert(self, space: Space, points: Sequence[Point]) -> None:
        """Of passages that are searched; others are passed over. Who may read them is the passages' own affair."""
        if not points:
            return
        given = select(
            func.unnest(cast([point.chunk_id for point in points], ARRAY(Chunk.id.type))).label("chunk_id"),
            func.unnest(cast([queries.written(point.vector) for point in points], ARRAY(Text))).label("vector"),
        ).subquery()
        # Locked, so that a change of the readers comes before this or sees it.
        source = (
            select(Chunk.id, literal(space.id), Chunk.readers, cast(given.c.vector, Vector()))
            .join(given, given.c.chunk_id == Chunk.id)
            .where(Chunk.search.is_not(None))
            .order_by(Chunk.id)
            .with_for_update(of=Chunk, key_share=True)
        )
        adding = insert(ChunkEmbedding).from_select(["chunk_id", "set_id", "readers", "vector"], source)
        await self.db.execute(
            adding.on_conflict_do_update(
                index_elements=[ChunkEmbedding.chunk_id, ChunkEmbedding.set_id],
                set_={"vector": adding.excluded.vector, "readers": adding.excluded.readers},
            )
        )

    async def delete(self, space: Space, document_id: UUID, *, but: Collection[UUID] = ()) -> None:
        of_document = select(Chunk.id).where(Chunk.document_id == document_id)
        gone = delete(ChunkEmbedding).where(ChunkEmbedding.set_id == space.id, ChunkEmbedding.chunk_id.in_(of_document))
        await self.db.execute(gone.where(ChunkEmbedding.chunk_id.not_in(but)) if but else gone)

    async def nearest(
        self, space: Space, vector: Any, *, readers: Sequence[str] | None, limit: int, exact: bool = False
    ) -> list[Hit]:
        few = readers is not None and not exact and await self._estimated(space, readers) <= COMPARED_MOST
        exact = exact or few or space.dimensions > MOST_DIMENSIONS
        hits = await self._found(space, vector, readers, limit, exact=exact)
        if len(hits) < limit and not exact and readers is not None:
            hits = await self._found(space, vector, readers, limit, exact=True)
        return hits

    async def _estimated(self, space: Space, readers: Sequence[str]) -> int:
        """How many of the vectors these may read, by the planner's statistics."""
        ((plans,),) = await rows_of(self.db, queries.estimated(space), {"readers": list(readers)})
        return int(plans[0]["Plan"]["Plan Rows"])

    async def _found(
        self, space: Space, vector: Any, readers: Sequence[str] | None, limit: int, *, exact: bool
    ) -> list[Hit]:
        asked = (queries.nearest_of_all if exact else queries.nearest)(space, readers is not None)
        values = {"vector": queries.written(vector), "most": limit}
        rows = await rows_of(self.db, asked, values if readers is None else {"readers": list(readers), **values})
        # The walk is not quite in order.
        return sorted((Hit(chunk_id, 1.0 - far) for chunk_id, far in rows), key=lambda hit: -hit.cosine)

    async def begin(self, space: Space) -> None:
        """Nothing is built beside the truth; `remake_graph` makes the graph anew while it is searched."""

    async def switch(self, space: Space) -> None:
        """As `begin`."""

    async def stats(self, space: Space) -> IndexStats:
        counted = await self.db.execute(select(func.count()).select_from(ChunkEmbedding).where(_of(space)))
        return IndexStats(self.name, counted.scalar_one(), exact=not await has_graph(self.db, space))

    async def drop(self, space: Space) -> None:
        """Its vectors; the graph is taken away by `drop_graph`."""
        await self.db.execute(delete(ChunkEmbedding).where(_of(space)))

    async def close(self) -> None:
        """The session is its owner's."""


def _of(space: Space) -> Any:
    # As a constant: only then is the graph of this set thought of.
    return ChunkEmbedding.set_id == literal_column(str(int(space.id)))


def graph_name(space: Space) -> str:
    return f"ix_chunk_embeddings_nearest_{int(space.id)}"


async def has_graph(db: AsyncSession, space: Space) -> bool:
    """A finished one over vectors of this length; also where there can be none."""
    if space.dimensions > MOST_DIMENSIONS:
        return True
    found = await db.execute(
        text(
            "SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass(:name) AND indisvalid "
            "AND pg_get_indexdef(indexrelid) LIKE :kind)"
        ),
        {"name": graph_name(space), "kind": f"%halfvec({int(space.dimensions)})%"},
    )
    return bool(found.scalar_one())


async def make_graph(db: AsyncSession, space: Space) -> None:
    """While others read and write. `db` is no transaction (`Database.reading()`); what was killed is made anew."""
    if await has_graph(db, space):
        return
    name, kind = graph_name(space), f"halfvec({int(space.dimensions)})"
    await db.execute(text(f"DROP INDEX CONCURRENTLY IF EXISTS {name}"))
    await _patiently(
        db,
        f"CREATE INDEX CONCURRENTLY {name} ON chunk_embeddings "
        f"USING hnsw ((vector::{kind}) halfvec_cosine_ops) WITH {GRAPH} WHERE set_id = {int(space.id)}",
    )


async def remake_graph(db: AsyncSession, space: Space) -> None:
    """As `make_graph`; also of one that is there: after many changes it leads astray more often."""
    if space.dimensions > MOST_DIMENSIONS:
        return
    if await has_graph(db, space):
        await _patiently(db, f"REINDEX INDEX CONCURRENTLY {graph_name(space)}")
    else:
        await make_graph(db, space)


async def _patiently(db: AsyncSession, statement: str) -> None:
    await db.execute(text("SET statement_timeout = 0"))
    try:
        await db.execute(text(statement))
    finally:
        await db.execute(text("RESET statement_timeout"))


async def drop_graph(db: AsyncSession, space: Space) -> None:
    if space.id != BUILT_IN_SET:
        await db.execute(text(f"DROP INDEX CONCURRENTLY IF EXISTS {graph_name(space)}"))
