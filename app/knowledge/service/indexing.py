"""Making a version findable: cut, embedded, then put in the place of the version before, in one transaction."""

import asyncio
import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy import cast, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import REGCONFIG
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import now
from app.core.db import Database
from app.inference.embedding import Embedder, default_embedder
from app.jobs import service as jobs
from app.jobs.service import Claim
from app.knowledge.chunking import Passage, passages
from app.knowledge.events import DocumentIndexed
from app.knowledge.language import configuration
from app.models.knowledge import Chunk, Document, DocumentStatus, DocumentVersion
from app.outbox import writer as outbox

BATCH = 64


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
    async with database.session() as db:
        source = await _read(db, document_id, version)
    embedder = default_embedder()
    cut = await asyncio.to_thread(passages, source.text) if source is not None else []
    vectors = await _embedded(embedder, source, cut) if source is not None else []
    async with database.unit_of_work() as db:
        kept = source is not None and await _keep(db, source, cut, vectors, embedder.name)
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


async def _embedded(embedder: Embedder, source: _Source, cut: list[Passage]) -> list[Any]:
    vectors: list[Any] = []
    for start in range(0, len(cut), BATCH):
        texts = [_read_as(source, passage) for passage in cut[start : start + BATCH]]
        vectors.extend(await asyncio.to_thread(embedder.embed, texts))
    return vectors


def _read_as(source: _Source, passage: Passage) -> str:
    # The title and headings say what a passage is about, which its own words often do not.
    return "\n".join((source.title, *passage.headings, source.text[passage.start : passage.end]))


async def _keep(db: AsyncSession, source: _Source, cut: list[Passage], vectors: list[Any], model: str) -> bool:
    document = await db.get(Document, source.document_id, with_for_update=True)
    if document is None or document.version != source.version:
        return False
    await db.execute(delete(Chunk).where(Chunk.document_id == document.id, Chunk.version == document.version))
    # Citations still point to the passages of earlier versions; nothing finds them any more.
    retired = update(Chunk).where(Chunk.document_id == document.id, Chunk.search.is_not(None))
    await db.execute(retired.values(search=None, vector=None))
    regconfig = cast(configuration(source.language), REGCONFIG)
    for position, (passage, vector) in enumerate(zip(cut, vectors, strict=True)):
        found = func.to_tsvector(regconfig, source.text[passage.start : passage.end])
        await db.execute(
            insert(Chunk).values(
                # The same passage of the same version has the same id, however often it is indexed.
                id=uuid.uuid5(document.id, f"{document.version}:{position}"),
                document_id=document.id,
                version=document.version,
                position=position,
                start=passage.start,
                end=passage.end,
                words=len(source.text[passage.start : passage.end].split()),
                readers=document.readers,
                model=model,
                search=found,
                vector=vector,
            )
        )
    document.status, document.error, document.updated_at = DocumentStatus.INDEXED, None, now()
    outbox.add(db, DocumentIndexed(document_id=document.id, version=document.version, timestamp=now()))
    return True
