"""Passages' vectors in another index, where one is set up: copied from the database, which has the truth.

Whoever changes a document leaves a job in the same transaction. The job copies what is there when it runs, so it may
come late, twice or out of order; while the index is away it waits, and no attempt is counted.
"""

import uuid
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import now
from app.core.db import Database
from app.core.resources import Resources, resources_of
from app.core.telemetry import get_logger
from app.core.vectors.base import IndexUnavailable, Point, Space, VectorIndex
from app.jobs import claims
from app.jobs import service as jobs
from app.knowledge.repository import embeddings, remake_graph

log = get_logger(__name__)

COPY_KIND = "knowledge.copy"
AWAY_SECONDS = 15.0
PAGE = 500


def copy_elsewhere(db: AsyncSession, document_id: uuid.UUID) -> None:
    """In the unit of work that changes the document's passages or readers, or deletes it."""
    resources = resources_of(db)
    if resources is not None and resources.vectors is not None:
        jobs.create(db, kind=COPY_KIND, subject=str(document_id))


async def carry_out_copy(resources: Resources, job_id: uuid.UUID) -> None:
    """Raises ClaimLost."""
    async with claims.hold(resources, job_id) as claim:
        if claim is None:
            return
        try:
            if resources.vectors is not None:
                await copy_document(resources.db, resources.vectors, uuid.UUID(claim.subject))
        except IndexUnavailable as error:
            log.warning("copy_postponed", document=claim.subject, error=str(error))
            async with resources.db.unit_of_work() as db:
                await jobs.postpone(db, claim, until=now() + timedelta(seconds=AWAY_SECONDS))
            return
        async with resources.db.unit_of_work() as db:
            await jobs.succeed(db, claim)


async def copy_document(database: Database, index: VectorIndex, document_id: uuid.UUID) -> None:
    """What the database has of it, in every set; what the index has beyond that is deleted. Raises IndexUnavailable."""
    async with database.unit_of_work() as db:
        # Held until the index has answered: an older copy never comes after a newer one.
        await embeddings.of_document(db, document_id)
        for vectors in await embeddings.in_use(db):
            points = await embeddings.points_of(db, vectors.space, document_id)
            await index.prepare(vectors.space)
            for start in range(0, len(points), PAGE):
                await index.upsert(vectors.space, points[start : start + PAGE])
            await index.delete(vectors.space, document_id, but=[point.chunk_id for point in points])


async def copy_all(database: Database, index: VectorIndex, space: Space) -> int:
    """Every point of a set; how many. What the index has beyond that stays: `rebuild_index` is rid of it."""
    await index.prepare(space)
    copied, last = 0, None
    while True:
        async with database.session() as db:
            page = await embeddings.points_after(db, space, last, limit=PAGE)
        if not page:
            return copied
        await copy_page(database, index, space, page)
        copied, last = copied + len(page), page[-1].chunk_id


async def copy_page(database: Database, index: VectorIndex, space: Space, page: Sequence[Point]) -> None:
    """Documents that changed on the way are copied once more: their own job may have come before this."""
    await index.upsert(space, page)
    async with database.session() as db:
        there = {
            point.chunk_id: point.readers
            for point in await embeddings.points_at(db, space, [point.chunk_id for point in page])
        }
    for document_id in {point.document_id for point in page if there.get(point.chunk_id) != point.readers}:
        await copy_document(database, index, document_id)


async def rebuild_index(resources: Resources) -> dict[str, str | int]:
    """From what the database has; the number of vectors of each embedder. Raises IndexUnavailable."""
    async with resources.db.session() as db:
        sets = await embeddings.in_use(db)
    found: dict[str, str | int] = {"index": "pgvector" if resources.vectors is None else resources.vectors.name}
    for vectors in sets:
        if resources.vectors is None:
            async with resources.db.reading() as db:
                await remake_graph(db, vectors.space)
                found[vectors.name] = await embeddings.counted(db, vectors.space)
        else:
            # Searches ask the old one until the new one is full; what changes meanwhile is written to both.
            await resources.vectors.begin(vectors.space)
            found[vectors.name] = await copy_all(resources.db, resources.vectors, vectors.space)
            await resources.vectors.switch(vectors.space)
    return found
