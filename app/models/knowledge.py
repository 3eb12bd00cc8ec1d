"""What the desk can cite: documents, each version's text, and the passages that a search finds, with their vectors."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

from pgvector.sqlalchemy import Vector
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    Text,
    func,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified, Numbered, Stamped, one_of

BUILT_IN_SET = 0
BUILT_IN_DIMENSIONS = 384
"""Of the sentence model that comes with the product. Its set has no row: it is in use where no other is active."""


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
    # Of a web page: where it was found, after redirects.
    url: Mapped[str | None] = mapped_column(String(2000))


class WebPage(Stamped, Base):
    """Where a document is fetched from, and what was found when somebody last looked."""

    __tablename__ = "web_pages"
    __table_args__ = (Index("ix_web_pages_checked_at", "checked_at"),)

    document_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True)
    url: Mapped[str] = mapped_column(String(2000))
    # What its sender said of it; what is left out is told by the page.
    title: Mapped[str | None] = mapped_column(String(300))
    language: Mapped[str | None] = mapped_column(String(10))
    # What its server knows the version by that was fetched last, and its digest.
    etag: Mapped[str | None] = mapped_column(String(500))
    modified: Mapped[str | None] = mapped_column(String(500))
    sha256: Mapped[str | None] = mapped_column(String(64))
    fetched_at: Mapped[datetime | None]
    checked_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Text)
    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("jobs.id"))


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
        Index("uq_chunks_document_id_version_position", "document_id", "version", "position", unique=True),
        Index("ix_chunks_search", "search", postgresql_using="gin"),
    )

    document_id: Mapped[uuid.UUID]
    version: Mapped[int]
    position: Mapped[int]
    start: Mapped[int]
    end: Mapped[int]
    words: Mapped[int]
    headings: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    """Those it stands under, which an embedder reads with it."""
    readers: Mapped[list[str]] = mapped_column(ARRAY(Text))
    """A copy of the document's, so that a search by words filters while it searches."""
    search: Mapped[Any | None] = mapped_column(TSVECTOR, deferred=True)


class EmbeddingState(StrEnum):
    BUILDING = "building"
    ACTIVE = "active"
    RETIRED = "retired"
    CANCELLED = "cancelled"
    FAILED = "failed"


class EmbeddingSet(Numbered, Stamped, Base):
    """An embedder's vectors of all passages. Searches use the active one until the one that is built is complete."""

    __tablename__ = "embedding_sets"
    __table_args__ = (
        one_of("state", EmbeddingState),
        CheckConstraint("state <> 'active' OR dimensions IS NOT NULL", name="active_has_dimensions"),
        Index(
            "uq_embedding_sets_state", "state", unique=True, postgresql_where=text("state IN ('active', 'building')")
        ),
    )

    name: Mapped[str] = mapped_column(String(200))
    """As in the configuration of models: `local`, `openai:…`, `compatible:…/…`, `bedrock:…`."""
    dimensions: Mapped[int | None]
    """Unknown until the embedder has answered once."""
    state: Mapped[str] = mapped_column(String(20), default=EmbeddingState.BUILDING)
    job_id: Mapped[uuid.UUID]
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None] = mapped_column(Text)
    created_by: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    ended_at: Mapped[datetime | None]


class ChunkEmbedding(Base):
    """A searched passage's vector of one set. A graph over a set is made for it alone, in half precision, which is a
    third smaller and takes 4,000 dimensions; the built-in set's is here, the others' are made with them."""

    __tablename__ = "chunk_embeddings"
    __table_args__ = (
        Index("ix_chunk_embeddings_readers", "readers", postgresql_using="gin"),
        Index(
            "ix_chunk_embeddings_nearest_0",
            literal_column(f"(vector::halfvec({BUILT_IN_DIMENSIONS}))").label("half"),
            postgresql_using="hnsw",
            postgresql_ops={"half": "halfvec_cosine_ops"},
            postgresql_with={"m": 24, "ef_construction": 200},
            postgresql_where=text(f"set_id = {BUILT_IN_SET}"),
        ),
    )

    chunk_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("chunks.id", ondelete="CASCADE"), primary_key=True)
    set_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """No foreign key: the built-in set has no row."""
    readers: Mapped[list[str]] = mapped_column(ARRAY(Text))
    """A copy of the passage's, so that a search filters while it walks the graph."""
    vector: Mapped[Any] = mapped_column(Vector(), deferred=True)
