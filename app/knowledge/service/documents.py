"""Documents in their versions: written, replaced, read, deleted. Each change of the text is a job for a worker."""

import hashlib
from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import delete as delete_rows
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.core.clock import now
from app.core.language import language_of
from app.core.pagination import Page
from app.jobs import service as jobs
from app.knowledge.events import DocumentChanged, DocumentDeleted
from app.knowledge.repository import DocumentRepository
from app.knowledge.schemas import ChunkOut, DocumentIn, DocumentOut, DocumentVersionOut, PageOut, SourceOut
from app.knowledge.service.copying import copy_elsewhere
from app.models.base import uuid7
from app.models.job import Job
from app.models.knowledge import (
    Chunk,
    ChunkEmbedding,
    Document,
    DocumentSource,
    DocumentStatus,
    DocumentVersion,
    WebPage,
)
from app.outbox import writer as outbox

JOB_KIND = "knowledge.index"
CITED = "knowledge.cited"
"""A job for whoever cites a document that has changed or is gone; its subject is the document."""


async def create(db: AsyncSession, who: Principal, *, document: DocumentIn, start: bool = True) -> DocumentOut:
    """Version 1, to be indexed by a worker; with `start=False` by the caller, who calls `index`."""
    language = document.language or language_of(document.text)
    row = await open_document(
        db,
        who,
        readers=document.acl.readers(),
        title=document.title,
        uri=document.uri,
        language=language,
        digest=_digest(document, language),
    )
    await add_version(db, row, document.text)
    if start:
        await begin(db, row, JOB_KIND)
    await db.refresh(row)
    return await shown(db, who, row)


async def replace(db: AsyncSession, who: Principal, document_id: UUID, *, document: DocumentIn) -> DocumentOut:
    """A new version, unless title, address, language and text are what they were: that costs nothing.

    Who may read it is changed at once, in the index too.
    """
    row = await DocumentRepository(db, who).get(document_id, lock=True)
    language = document.language or language_of(document.text)
    digest, readers = _digest(document, language), document.acl.readers()
    same_text, others = row.digest == digest, await admit(db, row, readers)
    if same_text and not others:
        return await shown(db, who, row)
    if not same_text:
        await supersede(db, row, title=document.title, uri=document.uri, language=language, digest=digest)
        await add_version(db, row, document.text)
        await begin(db, row, JOB_KIND)
    row.updated_at = now()
    tell(db, DocumentChanged(document_id=row.id, version=row.version, timestamp=now()))
    await db.flush()
    return await shown(db, who, row)


async def admit(db: AsyncSession, row: Document, readers: list[str]) -> bool:
    """These people alone see it from now on, in the index too. False: they are those of before."""
    if sorted(row.readers) == readers:
        return False
    row.readers, row.updated_at = readers, now()
    await db.execute(update(Chunk).where(Chunk.document_id == row.id).values(readers=readers))
    theirs = select(Chunk.id).where(Chunk.document_id == row.id)
    await db.execute(update(ChunkEmbedding).where(ChunkEmbedding.chunk_id.in_(theirs)).values(readers=readers))
    copy_elsewhere(db, row.id)
    return True


def tell(db: AsyncSession, event: DocumentChanged | DocumentDeleted) -> None:
    """With a job for those who cite it: the message of an event may get lost with the broker."""
    outbox.add(db, event)
    jobs.create(db, kind=CITED, subject=str(event.document_id))


async def delete(db: AsyncSession, who: Principal, document_id: UUID) -> None:
    """With every version, passage, vector and file of it; a worker that is at it finds nothing to keep its work in."""
    documents = DocumentRepository(db, who)
    row = await documents.get(document_id, lock=True)
    keys = await documents.keys(document_id)
    tell(db, DocumentDeleted(document_id=row.id, version=row.version, keys=keys, timestamp=now()))
    copy_elsewhere(db, row.id)
    await db.delete(row)
    await db.flush()


async def get(db: AsyncSession, who: Principal, document_id: UUID) -> DocumentOut:
    return await shown(db, who, await DocumentRepository(db, who).get(document_id))


async def list_documents(
    db: AsyncSession, who: Principal, *, uri: str | None, cursor: str | None, limit: int
) -> Page[DocumentOut]:
    """Newest first."""
    documents = DocumentRepository(db, who)
    query = documents.visible()
    if uri is not None:
        query = query.where(Document.uri == uri)
    page = await documents.page(query, sort=Document.created_at, cursor=cursor, limit=limit)
    return Page(await shown_all(db, who, page.rows), page.next_cursor)


async def version(db: AsyncSession, who: Principal, document_id: UUID, number: int) -> DocumentVersionOut:
    """What the document said then."""
    row = await DocumentRepository(db, who).version(document_id, number)
    return DocumentVersionOut(doc_id=document_id, version=number, **row)


async def versions(db: AsyncSession, who: Principal, document_ids: Collection[UUID]) -> dict[UUID, int]:
    """The newest version of each of these documents that `who` may see."""
    query = DocumentRepository(db, who).visible().where(Document.id.in_(document_ids))
    return {row.id: row.version for row in (await db.execute(query)).scalars()}


async def chunk(db: AsyncSession, who: Principal, document_id: UUID, chunk_id: UUID) -> ChunkOut:
    """The passage that a citation points to, though its version may have been replaced."""
    row = await DocumentRepository(db, who).passage(document_id, chunk_id)
    return ChunkOut(doc_id=document_id, chunk_id=chunk_id, **row)


async def open_document(
    db: AsyncSession, who: Principal, *, readers: list[str], title: str, uri: str | None, language: str, digest: str
) -> Document:
    """Its version 1 is added next."""
    row = Document(
        id=uuid7(),
        title=title,
        uri=uri,
        language=language,
        readers=readers,
        status=DocumentStatus.PENDING,
        version=1,
        digest=digest,
        created_by=who.user_id or None,
    )
    db.add(row)
    await db.flush()
    return row


async def supersede(
    db: AsyncSession, row: Document, *, title: str, uri: str | None, language: str, digest: str
) -> None:
    """Its next version is added next, and comes from its sender: a page is not fetched any more."""
    await db.execute(delete_rows(WebPage).where(WebPage.document_id == row.id))
    row.title, row.uri, row.language, row.digest = title, uri, language, digest
    row.version += 1
    row.status, row.error, row.updated_at = DocumentStatus.PENDING, None, now()
    await db.flush()


async def add_version(db: AsyncSession, row: Document, text: str) -> None:
    db.add(
        DocumentVersion(
            document_id=row.id, version=row.version, title=row.title, uri=row.uri, language=row.language, text=text
        )
    )
    await db.flush()


async def begin(db: AsyncSession, row: Document, kind: str) -> None:
    """A job for the newest version, whose progress is the document's from now on."""
    job = jobs.create(db, kind=kind, subject=f"{row.id}:{row.version}")
    await db.flush()
    row.job_id = job.id
    await db.flush()


def digest_of(*parts: str | None) -> str:
    """Equal for what is the same in every part."""
    return hashlib.sha256("\x00".join(part or "" for part in parts).encode()).hexdigest()


async def shown(db: AsyncSession, who: Principal, row: Document) -> DocumentOut:
    return (await shown_all(db, who, [row]))[0]


async def shown_all(db: AsyncSession, who: Principal, rows: Sequence[Document]) -> list[DocumentOut]:
    documents = DocumentRepository(db, who)
    sources, work, pages = await documents.sources(rows), await documents.work(rows), await documents.pages(rows)
    return [
        _shown(row, sources.get(row.id), pages.get(row.id), work.get(row.job_id) if row.job_id else None)
        for row in rows
    ]


def _shown(row: Document, source: DocumentSource | None, page: WebPage | None, job: Job | None) -> DocumentOut:
    indexed = row.status == DocumentStatus.INDEXED
    return DocumentOut(
        doc_id=row.id,
        version=row.version,
        status=DocumentStatus(row.status),
        title=row.title,
        uri=row.uri,
        language=row.language,
        readers=row.readers,
        source=None if source is None else SourceOut.model_validate(source),
        page=None if page is None else PageOut.model_validate(page),
        stage=None if job is None else job.stage,
        progress=job.progress if job is not None else float(indexed),
        error=row.error,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _digest(document: DocumentIn, language: str) -> str:
    return digest_of(document.title, document.uri, language, document.text)
