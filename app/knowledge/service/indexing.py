"""Making a version findable: cut, embedded, then put in the place of the version before, in one transaction."""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, cast, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import REGCONFIG
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import now
from app.core.db import Database
from app.core.resources import Resources, resources_of
from app.core.vectors.base import Point
from app.jobs import service as jobs
from app.jobs.service import Claim
from app.knowledge.chunking import Passage, passages
from app.knowledge.events import DocumentIndexed
from app.knowledge.language import configuration
from app.knowledge.repository import PgVectorIndex, Vectors, embeddings
from app.knowledge.service.copying import copy_elsewhere
from app.knowledge.service.embedding import embedded
from app.models.knowledge import Chunk, ChunkEmbedding, Document, DocumentStatus, DocumentVersion
from app.outbox import writer as outbox
from app.tickets.service import DESK


@dataclass(frozen=True, slots=True)
class _Source:
    document_id: uuid.UUID
    version: int
    title: str
    language: str
    text: str


def subject_of(claim: Claim) -> tuple[uuid.UUID, int]:
    document_id, _, version = claim.subject.partition(":")
    return uuid.UUID(document_id), int(version)


async def index(database: Database, document_id: uuid.UUID, version: int, *, claim: Claim | None = None) -> bool:
    """False when the version was replaced or deleted meanwhile. Holds no connection while it computes.

    With a claim, its job is settled in the transaction that stores the passages. Raises ClaimLost, ModelUnavailable.
    """
    kept: bool | None = None
    while kept is None:
        async with database.session() as db:
            source = await _read(db, document_id, version)
            vectors = await embeddings.active(db)
            resources = resources_of(db)
        cut = await asyncio.to_thread(passages, source.text) if source is not None else []
        rows = await _embedded(resources, vectors, source, cut) if source is not None else []
        async with database.unit_of_work() as db:
            # Another embedder may have come into use meanwhile: its vectors are then the ones to store.
            if await embeddings.active(db, hold=True) != vectors:
                continue
            kept = source is not None and await _keep(db, source, cut, rows, vectors)
            if claim is not None:
                await jobs.succeed(db, claim)
    return kept


async def give_up(db: AsyncSession, document_id: uuid.UUID, version: int, *, reason: str) -> None:
    await db.execute(
        update(Document)
        .where(Document.id == document_id, Document.version == version, Document.status == DocumentStatus.PENDING)
        .values(status=DocumentStatus.FAILED, error=reason)
    )


async def _read(db: AsyncSession, document_id: uuid.UUID, version: int) -> _Source | None:
    query = (
        select(DocumentVersion.title, DocumentVersion.language, DocumentVersion.text)
        .join(Document, (Document.id == DocumentVersion.document_id) & (Document.version == DocumentVersion.version))
        .where(Document.id == document_id, Document.version == version)
    )
    row = (await db.execute(query)).one_or_none()
    return None if row is None else _Source(document_id, version, *row)


async def _embedded(resources: Resources | None, vectors: Vectors, source: _Source, cut: list[Passage]) -> list[Any]:
    texts = [read_as(source.title, one.headings, source.text[one.start : one.end]) for one in cut]
    return await embedded(resources, DESK, vectors.name, texts)


def read_as(title: str, headings: Sequence[str], said: str) -> str:
    """What an embedder reads of a passage: title and headings say what it is about, which its own words often do
    not."""
    return "\n".join((title, *headings, said))


async def _keep(db: AsyncSession, source: _Source, cut: list[Passage], rows: list[Any], vectors: Vectors) -> bool:
    document = await db.get(Document, source.document_id, with_for_update=True)
    if document is None or document.version != source.version:
        return False
    await db.execute(delete(Chunk).where(Chunk.document_id == document.id, Chunk.version == document.version))
    # Citations still point to the passages of earlier versions; nothing finds them any more.
    retired = select(Chunk.id).where(Chunk.document_id == document.id)
    await db.execute(delete(ChunkEmbedding).where(ChunkEmbedding.chunk_id.in_(retired)))
    await db.execute(
        update(Chunk).where(Chunk.document_id == document.id, Chunk.search.is_not(None)).values(search=None)
    )
    said = [source.text[one.start : one.end] for one in cut]
    # The same passage of the same version has the same id, however often it is indexed.
    ids = [uuid.uuid5(document.id, f"{document.version}:{position}") for position in range(len(cut))]
    if cut:
        found = func.to_tsvector(cast(configuration(source.language), REGCONFIG), bindparam("said"))
        await db.execute(
            insert(Chunk).values(search=found),
            [
                {
                    "id": chunk_id,
                    "document_id": document.id,
                    "version": document.version,
                    "position": position,
                    "start": one.start,
                    "end": one.end,
                    "words": len(words.split()),
                    "headings": list(one.headings),
                    "readers": document.readers,
                    "said": words,
                }
                for position, (chunk_id, one, words) in enumerate(zip(ids, cut, said, strict=True))
            ],
        )
        readers = tuple(document.readers)
        points = [
            Point(chunk_id, document.id, document.version, readers, row)
            for chunk_id, row in zip(ids, rows, strict=True)
        ]
        await PgVectorIndex(db).upsert(vectors.space, points)
    document.status, document.error, document.updated_at = DocumentStatus.INDEXED, None, now()
    copy_elsewhere(db, document.id)
    outbox.add(db, DocumentIndexed(document_id=document.id, version=document.version, timestamp=now()))
    return True
