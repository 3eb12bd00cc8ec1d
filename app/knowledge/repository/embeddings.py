"""Which embedder's vectors are searched, which are being made, and what an index elsewhere is filled from."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, delete, exists, func, literal_column, select, text, true, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.db import Question, rows_of
from app.core.vectors.base import Point, Space
from app.inference.embedders import LOCAL
from app.models.knowledge import (
    BUILT_IN_DIMENSIONS,
    BUILT_IN_SET,
    Chunk,
    ChunkEmbedding,
    DocumentVersion,
    EmbeddingSet,
    EmbeddingState,
)

_SWITCH = "hashtext('embedding_sets')"
_MAY_NOT_SWITCH = text(f"SELECT pg_advisory_xact_lock_shared({_SWITCH})")
_ONE_WRITER = text("SELECT pg_advisory_xact_lock(hashtext('embedding_sets_wanted'))")
_MAY_SWITCH = text(f"SELECT pg_advisory_xact_lock({_SWITCH})")


@dataclass(frozen=True, slots=True)
class Vectors:
    """A set: whose vectors, and the space they are in."""

    name: str
    space: Space


_ACTIVE = Question(
    select(EmbeddingSet.name, EmbeddingSet.id, EmbeddingSet.dimensions).where(
        EmbeddingSet.state == EmbeddingState.ACTIVE
    )
)
BUILT_IN = Vectors(LOCAL, Space(BUILT_IN_SET, BUILT_IN_DIMENSIONS))


def _shown(row: EmbeddingSet) -> Vectors:
    return Vectors(row.name, Space(row.id, row.dimensions or 0))


async def row_in(db: AsyncSession, state: EmbeddingState, *, lock: bool = False) -> EmbeddingSet | None:
    query = select(EmbeddingSet).where(EmbeddingSet.state == state).execution_options(populate_existing=True)
    return (await db.execute(query.with_for_update() if lock else query)).scalar_one_or_none()


async def active(db: AsyncSession, *, hold: bool = False) -> Vectors:
    """What searches use. `hold`: it stays so until the unit of work ends."""
    if hold:
        await db.execute(_MAY_NOT_SWITCH)
    rows = await rows_of(db, _ACTIVE, {})
    return Vectors(rows[0][0], Space(rows[0][1], rows[0][2])) if rows else BUILT_IN


async def in_use(db: AsyncSession) -> list[Vectors]:
    """Those that are searched, and those that are being made and have begun."""
    states = [EmbeddingState.ACTIVE, EmbeddingState.BUILDING]
    query = select(EmbeddingSet).where(EmbeddingSet.state.in_(states), EmbeddingSet.dimensions.is_not(None))
    rows = (await db.execute(query.order_by(EmbeddingSet.id))).scalars().all()
    built_in = [] if any(row.state == EmbeddingState.ACTIVE for row in rows) else [BUILT_IN]
    return [*built_in, *map(_shown, rows)]


async def may_switch(db: AsyncSession) -> None:
    """No passage is stored meanwhile, until the unit of work ends."""
    await db.execute(_MAY_SWITCH)


async def of_job(db: AsyncSession, job_id: UUID, *, lock: bool = False) -> EmbeddingSet | None:
    query = select(EmbeddingSet).where(EmbeddingSet.job_id == job_id).execution_options(populate_existing=True)
    return (await db.execute(query.with_for_update() if lock else query)).scalar_one_or_none()


async def retire_active(db: AsyncSession, *, at: Any) -> None:
    query = update(EmbeddingSet).where(EmbeddingSet.state == EmbeddingState.ACTIVE)
    await db.execute(query.values(state=EmbeddingState.RETIRED, ended_at=at))


async def space(db: AsyncSession, set_id: int) -> Space:
    row = await db.get(EmbeddingSet, set_id)
    return BUILT_IN.space if row is None else _shown(row).space


async def newest(db: AsyncSession) -> EmbeddingSet | None:
    return (await db.execute(select(EmbeddingSet).order_by(EmbeddingSet.id.desc()).limit(1))).scalar_one_or_none()


async def hold(db: AsyncSession) -> None:
    """One at a time decides what is to be made, until the unit of work ends."""
    await db.execute(_ONE_WRITER)


async def searched(db: AsyncSession) -> int:
    """How many passages are to have a vector."""
    return (await db.execute(select(func.count()).select_from(Chunk).where(Chunk.search.is_not(None)))).scalar_one()


async def counted(db: AsyncSession, space: Space) -> int:
    query = select(func.count()).select_from(ChunkEmbedding).where(ChunkEmbedding.set_id == space.id)
    return (await db.execute(query)).scalar_one()


async def without(db: AsyncSession, space: Space, *, after: UUID | None, limit: int) -> Sequence[Row[Any]]:
    """Passages that have no vector in the set yet, with what an embedder reads of them."""
    there = exists().where(ChunkEmbedding.chunk_id == Chunk.id, ChunkEmbedding.set_id == space.id)
    query = (
        select(
            Chunk.id,
            Chunk.document_id,
            Chunk.version,
            Chunk.headings,
            DocumentVersion.title,
            func.substr(DocumentVersion.text, Chunk.start + 1, Chunk.end - Chunk.start).label("said"),
        )
        .join(
            DocumentVersion,
            (DocumentVersion.document_id == Chunk.document_id) & (DocumentVersion.version == Chunk.version),
        )
        .where(Chunk.search.is_not(None), ~there, true() if after is None else Chunk.id > after)
        .order_by(Chunk.id)
        .limit(limit)
    )
    return (await db.execute(query)).all()


async def lacking(db: AsyncSession, space: Space) -> bool:
    there = exists().where(ChunkEmbedding.chunk_id == Chunk.id, ChunkEmbedding.set_id == space.id)
    return bool((await db.execute(select(exists().where(Chunk.search.is_not(None), ~there)))).scalar_one())


async def points_of(db: AsyncSession, space: Space, document_id: UUID) -> list[Point]:
    return await _points(db, _stored(space).where(Chunk.document_id == document_id))


async def points_after(db: AsyncSession, space: Space, chunk_id: UUID | None, *, limit: int) -> list[Point]:
    """In the order of their ids, from behind this one on."""
    behind = true() if chunk_id is None else Chunk.id > chunk_id
    return await _points(db, _stored(space).where(behind).limit(limit))


async def points_at(db: AsyncSession, space: Space, ids: Collection[UUID]) -> list[Point]:
    return await _points(db, _stored(space).where(Chunk.id.in_(ids)))


def _stored(space: Space) -> Select[*tuple[Any, ...]]:
    columns = (Chunk.id, Chunk.document_id, Chunk.version, Chunk.readers, ChunkEmbedding.vector)
    query = select(*columns).join(ChunkEmbedding, ChunkEmbedding.chunk_id == Chunk.id)
    return query.where(ChunkEmbedding.set_id == space.id, Chunk.search.is_not(None)).order_by(Chunk.id)


async def _points(db: AsyncSession, query: Select[*tuple[Any, ...]]) -> list[Point]:
    rows: Sequence[Any] = (await db.execute(query)).all()
    return [Point(row.id, row.document_id, row.version, tuple(row.readers), row.vector) for row in rows]


async def of_document(db: AsyncSession, document_id: UUID) -> None:
    """One at a time copies a document to another index, until the unit of work ends."""
    await db.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:id, 1))"), {"id": str(document_id)})


async def forget(db: AsyncSession, space: Space, *, limit: int) -> int:
    """Some of a set's vectors; how many."""
    some: Select[*tuple[Any, ...]] = (
        select(literal_column("ctid")).select_from(ChunkEmbedding).where(ChunkEmbedding.set_id == space.id)
    )
    gone = delete(ChunkEmbedding).where(literal_column("ctid").in_(some.limit(limit)))
    found: Any = await db.execute(gone)
    return int(found.rowcount)
