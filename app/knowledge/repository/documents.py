"""Documents as their viewer may see them: administrators all, others those that name them."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, Select, Text, cast, func, select, true
from sqlalchemy.dialects.postgresql import ARRAY

from app.core.auth import Principal, Role
from app.core.repository import Repository
from app.knowledge.errors import DocumentMissing
from app.models.knowledge import Chunk, Document, DocumentVersion


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

    async def _one(self, query: Select[*tuple[Any, ...]]) -> RowMapping:
        row = (await self.db.execute(query)).mappings().one_or_none()
        if row is None:
            raise DocumentMissing
        return row


def readable(who: Principal, readers: Any) -> ColumnElement[bool]:
    """The one place that decides who sees a document or a passage, from its `readers`."""
    if who.role is Role.ADMIN:
        return true()
    mine = ["public", f"role:{who.role}", f"user:{who.user_id}"]
    allowed: ColumnElement[bool] = readers.overlap(cast(mine, ARRAY(Text)))
    return allowed
