"""A file that somebody sent, and what was read in it."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified, Numbered, Stamped, one_of


class ProcessingStatus(StrEnum):
    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    QUARANTINED = "quarantined"


class ScanStatus(StrEnum):
    """Only what is `clean` is shown, previewed or read to a model."""

    RECEIVED = "received"
    SCANNING = "scanning"
    CLEAN = "clean"
    QUARANTINED = "quarantined"


class File(Identified, Stamped, Base):
    __tablename__ = "files"
    __table_args__ = (
        one_of("processing_status", ProcessingStatus),
        one_of("scan_status", ScanStatus),
        # Nothing was read in a file, by whatever road, before it was found clean.
        CheckConstraint("text IS NULL OR scan_status = 'clean'", name="text_clean"),
        CheckConstraint("processing_status <> 'completed' OR scan_status = 'clean'", name="completed_clean"),
        CheckConstraint(
            "(processing_status = 'quarantined') = (scan_status = 'quarantined')", name="quarantined_in_both"
        ),
        CheckConstraint("file_size > 0", name="size_positive"),
        CheckConstraint("confidence BETWEEN 0 AND 1", name="confidence_share"),
        CheckConstraint(
            "num_nonnulls(preview_key, shown_key) = 0 OR rendered_at IS NOT NULL", name="renderings_have_time"
        ),
        Index("ix_files_uploader_id_id", "uploader_id", "id"),
        Index("ix_files_sha256", "sha256"),
        Index("ix_files_open", "id", postgresql_where=sql("processing_status IN ('pending', 'processing')")),
        # Not unique: files of the same bytes share one object.
        Index("ix_files_storage_key", "storage_key"),
        Index("ix_files_not_clean", "scan_status", "id", postgresql_where=sql("scan_status <> 'clean'")),
    )

    uploader_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("tickets.id"), index=True)
    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("jobs.id"), unique=True)
    filename: Mapped[str] = mapped_column(String(255))
    file_type: Mapped[str] = mapped_column(String(255))
    kind: Mapped[str] = mapped_column(String(20))
    file_size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    storage_key: Mapped[str] = mapped_column(String(500))
    processing_status: Mapped[str] = mapped_column(String(20), default=ProcessingStatus.PENDING)
    scan_status: Mapped[str] = mapped_column(String(20), default=ScanStatus.RECEIVED)
    scanned_at: Mapped[datetime | None]
    scanners: Mapped[str | None] = mapped_column(String(200))
    analysis_type: Mapped[str | None] = mapped_column(String(50))
    text: Mapped[str | None] = mapped_column(Text, deferred=True)
    confidence: Mapped[float | None]
    low_confidence: Mapped[bool] = mapped_column(default=False, server_default=sql("false"))
    engine: Mapped[str | None] = mapped_column(String(100))
    engine_version: Mapped[str | None] = mapped_column(String(50))
    language: Mapped[str | None] = mapped_column(String(20))
    details: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    error: Mapped[str | None] = mapped_column(Text)
    # An administrator's word against the scan's; a new scan takes it back.
    released_at: Mapped[datetime | None]
    # What was made of the content for others to look at; `rendered_at` without any: nothing can be made of it.
    rendered_at: Mapped[datetime | None]
    preview_key: Mapped[str | None] = mapped_column(String(500), unique=True)
    preview_size: Mapped[int | None]
    shown_key: Mapped[str | None] = mapped_column(String(500), unique=True)
    shown_size: Mapped[int | None] = mapped_column(BigInteger)
    shown_type: Mapped[str | None] = mapped_column(String(50))

    @property
    def has_preview(self) -> bool:
        return self.preview_key is not None and self.scan_status == ScanStatus.CLEAN

    @property
    def keys(self) -> list[str]:
        """Of all objects in the store that hold something of this file."""
        return [key for key in (self.storage_key, self.preview_key, self.shown_key) if key is not None]


class FileChange(Numbered, Stamped, Base):
    """Who did what to a file, and why. Rows are only ever added, and outlive their file."""

    __tablename__ = "file_changes"
    __table_args__ = (Index("ix_file_changes_file_id_id", "file_id", "id"),)

    # No foreign key: the file may be gone.
    file_id: Mapped[uuid.UUID]
    uploader_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    # None: the desk itself, by its scan or its policy.
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    action: Mapped[str] = mapped_column(String(50))
    reason: Mapped[str | None] = mapped_column(Text)
    details: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)


class FileSegment(Numbered, Base):
    """One line, page or spoken passage: where it stands and how sure the engine is."""

    __tablename__ = "file_segments"
    __table_args__ = (Index("uq_file_segments_file_id_position", "file_id", "position", unique=True),)

    file_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("files.id", ondelete="CASCADE"))
    position: Mapped[int]
    text: Mapped[str] = mapped_column(Text)
    confidence: Mapped[float | None]
    page: Mapped[int | None]
    start_seconds: Mapped[float | None]
    end_seconds: Mapped[float | None]
    box: Mapped[list[list[float]] | None] = mapped_column(JSONB)
