"""What the desk can cite: documents, each version's text, and the passages that a search finds."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

from pgvector.sqlalchemy import Vector
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, String, Text, func
from sqlalchemy.dialects.postgresql import ARRAY, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified, Stamped, one_of

PASSAGE_DIMENSIONS = 384


class DocumentStatus(StrEnum):
    PENDING = "pending"
    INDEXED = "indexed"
    FAILED = "failed"


class Document(Identified, Stamped, Base):
    """`version` is the newest text; while `status` is pending, the index still holds the one before it."""

    __tablename__ = "documents"
    __table_args__ = (
        one_of("status", DocumentStatus),
        CheckConstraint("version >= 1", name="version_positive"),
        CheckConstraint("cardinality(readers) > 0", name="readers_given"),
        Index("ix_documents_readers", "readers", postgresql_using="gin"),
        Index("ix_documents_uri", "uri"),
    )

    title: Mapped[str] = mapped_column(String(300))
    uri: Mapped[str | None] = mapped_column(String(2000))
    language: Mapped[str] = mapped_column(String(10))
    readers: Mapped[list[str]] = mapped_column(ARRAY(Text))
    """Who may see it, as `public`, `role:agent` or `user:12`: any one of them is enough."""
    status: Mapped[str] = mapped_column(String(20), default=DocumentStatus.PENDING)
    error: Mapped[str | None] = mapped_column(Text)
    version: Mapped[int] = mapped_column(default=1)
    digest: Mapped[str] = mapped_column(String(64))
    created_by: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    # Which job makes the newest version findable; none where whoever stored it sees to that.
    job_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("jobs.id"))
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class DocumentVersion(Stamped, Base):
    """What a document said; never changed, so that a citation of it stays true. Empty until its source was read."""

    __tablename__ = "document_versions"

    document_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(300))
    uri: Mapped[str | None] = mapped_column(String(2000))
    language: Mapped[str] = mapped_column(String(10))
    text: Mapped[str] = mapped_column(Text, deferred=True)


class DocumentSource(Stamped, Base):
    """The bytes that a version was sent as; its text is what was read in them."""

    __tablename__ = "document_sources"
    __table_args__ = (
        ForeignKeyConstraint(
            ["document_id", "version"],
            ["document_versions.document_id", "document_versions.version"],
            ondelete="CASCADE",
        ),
    )

    document_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    storage_key: Mapped[str] = mapped_column(String(500), unique=True)
    filename: Mapped[str] = mapped_column(String(255))
    file_type: Mapped[str] = mapped_column(String(255))
    kind: Mapped[str] = mapped_column(String(20))
    format: Mapped[str] = mapped_column(String(50))
    file_size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    # What the sender said of it; what is left out is told by the text.
    title: Mapped[str | None] = mapped_column(String(300))
    language: Mapped[str | None] = mapped_column(String(10))


class Chunk(Identified, Base):
    """A passage: characters `start` to `end` of its version's text. Only the newest version's are searched."""

    __tablename__ = "chunks"
    __table_args__ = (
        ForeignKeyConstraint(
            ["document_id", "version"],
            ["document_versions.document_id", "document_versions.version"],
            ondelete="CASCADE",
        ),
        CheckConstraint('start >= 0 AND start < "end"', name="span_not_empty"),
        CheckConstraint("(search IS NULL) = (vector IS NULL)", name="searched_in_both_ways"),
        Index("uq_chunks_document_id_version_position", "document_id", "version", "position", unique=True),
        Index("ix_chunks_search", "search", postgresql_using="gin"),
        Index("ix_chunks_vector", "vector", postgresql_using="hnsw", postgresql_ops={"vector": "vector_cosine_ops"}),
    )

    document_id: Mapped[uuid.UUID]
    version: Mapped[int]
    position: Mapped[int]
    start: Mapped[int]
    end: Mapped[int]
    words: Mapped[int]
    readers: Mapped[list[str]] = mapped_column(ARRAY(Text))
    """A copy of the document's, so that both searches filter by it while they search."""
    model: Mapped[str] = mapped_column(String(100))
    search: Mapped[Any | None] = mapped_column(TSVECTOR, deferred=True)
    vector: Mapped[Any | None] = mapped_column(Vector(PASSAGE_DIMENSIONS), deferred=True)
