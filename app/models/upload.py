"""An upload that may be broken off and go on: what was announced, how far it is, and where its pieces lie."""

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified, Numbered, Stamped


class ResumableUpload(Identified, Stamped, Base):
    """`received` bytes lie in the store, in pieces. With the last byte the whole becomes a file, and the pieces go."""

    __tablename__ = "resumable_uploads"
    __table_args__ = (
        CheckConstraint("length > 0", name="length_positive"),
        CheckConstraint("received BETWEEN 0 AND length", name="received_within_length"),
        CheckConstraint("(received = length) = (file_id IS NOT NULL)", name="whole_is_file"),
        Index("ix_resumable_uploads_owner_id", "owner_id"),
        Index("ix_resumable_uploads_expires_at", "expires_at"),
    )

    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("tickets.id"))
    filename: Mapped[str | None] = mapped_column(Text)
    filetype: Mapped[str | None] = mapped_column(Text)
    announced: Mapped[str] = mapped_column(Text)
    length: Mapped[int] = mapped_column(BigInteger)
    received: Mapped[int] = mapped_column(BigInteger, default=0)
    expires_at: Mapped[datetime]
    file_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("files.id", ondelete="CASCADE"), index=True)


class DirectUpload(Identified, Stamped, Base):
    """A file on its way into the bucket, past us: what was announced, and the bucket's own upload (`token`)."""

    __tablename__ = "direct_uploads"
    __table_args__ = (
        CheckConstraint("length > 0", name="length_positive"),
        Index("ix_direct_uploads_owner_id", "owner_id"),
        Index("ix_direct_uploads_expires_at", "expires_at"),
    )

    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("tickets.id"))
    filename: Mapped[str] = mapped_column(Text)
    filetype: Mapped[str | None] = mapped_column(Text)
    length: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    storage_key: Mapped[str] = mapped_column(String(500), unique=True)
    token: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[datetime]
    file_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("files.id", ondelete="CASCADE"), index=True)


class UploadPiece(Numbered, Base):
    """Bytes from `start` on, as one object in the store."""

    __tablename__ = "upload_pieces"
    __table_args__ = (
        CheckConstraint("size > 0", name="size_positive"),
        Index("uq_upload_pieces_upload_id_start", "upload_id", "start", unique=True),
    )

    upload_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("resumable_uploads.id", ondelete="CASCADE"))
    start: Mapped[int] = mapped_column(BigInteger)
    size: Mapped[int] = mapped_column(BigInteger)
    storage_key: Mapped[str] = mapped_column(String(500), unique=True)
