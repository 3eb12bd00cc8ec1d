"""Documents as their viewer may see them: administrators all, others those that name them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, RowMapping, Select, Text, cast, func, select, true, tuple_
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal, Role
from app.core.repository import Repository
from app.knowledge.errors import DocumentMissing
from app.models.job import Job, JobState
from app.models.knowledge import Chunk, Document, DocumentSource, DocumentStatus, DocumentVersion, WebPage


class DocumentRepository(Repository[Document]):
    model = Document
    missing = DocumentMissing

    def visible(self) -> Select[Document]:
        return select(Document).where(readable(self.who, Document.readers))

    async def version(self, document_id: UUID, version: int) -> RowMapping:
        """Whoever may see a document may see what it said before."""
        query = (
            self.visible()
            .join(DocumentVersion, DocumentVersion.document_id == Document.id)
            .where(Document.id == document_id, DocumentVersion.version == version)
        )
        columns = [DocumentVersion.title, DocumentVersion.uri, DocumentVersion.language, DocumentVersion.created_at]
        return await self._one(query.with_only_columns(*columns, DocumentVersion.text))

    async def passage(self, document_id: UUID, chunk_id: UUID) -> RowMapping:
        query = (
            self.visible()
            .join(Chunk, Chunk.document_id == Document.id)
            .join(
                DocumentVersion,
                (DocumentVersion.document_id == Chunk.document_id) & (DocumentVersion.version == Chunk.version),
            )
            .where(Document.id == document_id, Chunk.id == chunk_id)
        )
        columns = [Chunk.version, Chunk.start, Chunk.end, DocumentVersion.title, DocumentVersion.uri]
        said = func.substr(DocumentVersion.text, Chunk.start + 1, Chunk.end - Chunk.start).label("text")
        newest = (Chunk.version == Document.version).label("current")
        return await self._one(query.with_only_columns(*columns, said, newest))

    async def source(self, document_id: UUID, version: int) -> DocumentSource:
        """Raises DocumentMissing, also for a version that was sent as text."""
        query = (
            self.visible()
            .join(DocumentSource, DocumentSource.document_id == Document.id)
            .where(Document.id == document_id, DocumentSource.version == version)
        )
        row = (await self.db.execute(query.with_only_columns(DocumentSource))).scalar_one_or_none()
        if row is None:
            raise DocumentMissing
        return row

    async def sources(self, documents: Sequence[Document]) -> dict[UUID, DocumentSource]:
        """Of the newest versions of these, those that were sent as files."""
        newest = [(row.id, row.version) for row in documents]
        query = select(DocumentSource).where(tuple_(DocumentSource.document_id, DocumentSource.version).in_(newest))
        return {row.document_id: row for row in (await self.db.execute(query)).scalars()} if newest else {}

    async def pages(self, documents: Sequence[Document]) -> dict[UUID, WebPage]:
        """Of these, those that are web pages."""
        query = select(WebPage).where(WebPage.document_id.in_([row.id for row in documents]))
        return {row.document_id: row for row in (await self.db.execute(query)).scalars()} if documents else {}

    async def work(self, documents: Sequence[Document]) -> dict[UUID, Job]:
        """How far the jobs of those are that are not indexed yet."""
        pending = [row.job_id for row in documents if row.status == DocumentStatus.PENDING]
        query = select(Job).where(Job.id.in_(pending))
        return {row.id: row for row in (await self.db.execute(query)).scalars()} if pending else {}

    async def keys(self, document_id: UUID) -> list[str]:
        """Of every object in the store that holds something of the document."""
        query = select(DocumentSource.storage_key).where(DocumentSource.document_id == document_id)
        return list((await self.db.execute(query.order_by(DocumentSource.version))).scalars())

    async def _one(self, query: Select[*tuple[Any, ...]]) -> RowMapping:
        row = (await self.db.execute(query)).mappings().one_or_none()
        if row is None:
            raise DocumentMissing
        return row


async def stale_pages(db: AsyncSession, *, before: datetime, limit: int = 100) -> Sequence[Row[UUID, datetime | None]]:
    """Pages that nobody has looked at since, and nobody is about to, the longest forgotten first."""
    query = (
        select(WebPage.document_id, WebPage.checked_at)
        .join(Job, Job.id == WebPage.job_id)
        .where(WebPage.checked_at < before, Job.state.in_((JobState.SUCCEEDED, JobState.FAILED)))
    )
    return (await db.execute(query.order_by(WebPage.checked_at).limit(limit))).all()


def readers_of(who: Principal) -> list[str] | None:
    """What a document's `readers` must name, any one of them; None: nothing, this is an administrator."""
    if who.role is Role.ADMIN and who.proven:
        return None
    if not who.proven:
        return ["public"]
    return ["public", f"role:{who.role}", f"user:{who.user_id}", *(f"team:{team}" for team in sorted(who.teams))]


def readable(who: Principal, readers: Any) -> ColumnElement[bool]:
    """The one place that decides who sees a document or a passage, from its `readers`."""
    mine = readers_of(who)
    if mine is None:
        return true()
    allowed: ColumnElement[bool] = readers.overlap(cast(mine, ARRAY(Text)))
    return allowed
