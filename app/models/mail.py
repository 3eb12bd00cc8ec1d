"""Mail that came in, kept as it came, and what became of it; mail that goes out; whose address is whose."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, false, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified, Numbered, Stamped, one_of


class MailState(StrEnum):
    """`received`: a job is at work on it. All others are ends; `note` says why it is not `joined`."""

    RECEIVED = "received"
    JOINED = "joined"
    KEPT = "kept"
    DUPLICATE = "duplicate"
    UNREADABLE = "unreadable"


class MailKind(StrEnum):
    """Only a `message` is answered."""

    MESSAGE = "message"
    AUTOMATIC = "automatic"
    LIST = "list"
    BOUNCE = "bounce"
    OWN = "own"


class JoinReason(StrEnum):
    TOKEN = "token"  # noqa: S105 - the name of a reason
    IN_REPLY_TO = "in_reply_to"
    REFERENCES = "references"
    NEW = "new"
    SPLIT = "split"


class SentState(StrEnum):
    QUEUED = "queued"
    SENT = "sent"
    FAILED = "failed"
    BOUNCED = "bounced"


class Mail(Identified, Stamped, Base):
    """`storage_key` leads to the bytes as they came; none: too large, it stays where it came from, or removed since."""

    __tablename__ = "mails"
    __table_args__ = (
        one_of("state", MailState),
        one_of("kind", MailKind),
        one_of("joined_by", JoinReason),
        CheckConstraint("state <> 'joined' OR session_id IS NOT NULL", name="joined_has_session"),
        # The same bytes by the same road are one mail.
        UniqueConstraint("source", "digest"),
        Index("ix_mails_message_id", "message_id"),
        Index("ix_mails_session_id", "session_id"),
        Index("ix_mails_from_address_created_at", "from_address", "created_at"),
        Index("ix_mails_state_id", "state", "id"),
        Index("ix_mails_storage_key", "storage_key"),
        Index("ix_mails_said_id", "said_id"),
        Index("ix_mails_raw_created_at", "created_at", postgresql_where=text("storage_key IS NOT NULL")),
    )

    source: Mapped[str] = mapped_column(String(20))
    source_ref: Mapped[str | None] = mapped_column(String(300))
    digest: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    storage_key: Mapped[str | None] = mapped_column(String(500))
    raw_removed_at: Mapped[datetime | None]
    envelope_from: Mapped[str | None] = mapped_column(String(400))
    envelope_to: Mapped[list[str]] = mapped_column(ARRAY(Text))
    job_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("jobs.id"))
    state: Mapped[str] = mapped_column(String(20))
    note: Mapped[str | None] = mapped_column(Text)
    # From here on: what was read of it.
    kind: Mapped[str | None] = mapped_column(String(20))
    message_id: Mapped[str | None] = mapped_column(String(300))
    references: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    fingerprint: Mapped[str | None] = mapped_column(String(64))
    from_address: Mapped[str | None] = mapped_column(String(320))
    from_name: Mapped[str | None] = mapped_column(String(300))
    # A trusted server vouched for the sender's domain.
    authenticated: Mapped[bool] = mapped_column(server_default=false())
    subject: Mapped[str] = mapped_column(String(500), server_default="")
    dated_at: Mapped[datetime | None]
    body: Mapped[str] = mapped_column(Text, server_default="")
    visible: Mapped[str] = mapped_column(Text, server_default="")
    defects: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    sender_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    session_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("sessions.id"))
    said_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("messages.id"))
    joined_by: Mapped[str | None] = mapped_column(String(20))


class MailAttachment(Numbered, Base):
    """`refused` says why there is no file; the mail itself still has it."""

    __tablename__ = "mail_attachments"
    __table_args__ = (UniqueConstraint("mail_id", "position"), Index("ix_mail_attachments_file_id", "file_id"))

    mail_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("mails.id", ondelete="CASCADE"))
    position: Mapped[int]
    filename: Mapped[str] = mapped_column(String(255))
    media_type: Mapped[str] = mapped_column(String(255))
    size: Mapped[int] = mapped_column(BigInteger)
    file_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("files.id", ondelete="SET NULL"))
    refused: Mapped[str | None] = mapped_column(Text)


class MailJoin(Numbered, Stamped, Base):
    """Into which conversation a mail was put, when, why and by whom (None: the desk). Rows are only ever added."""

    __tablename__ = "mail_joins"
    __table_args__ = (one_of("reason", JoinReason), Index("ix_mail_joins_mail_id_id", "mail_id", "id"))

    mail_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("mails.id", ondelete="CASCADE"))
    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"))
    reason: Mapped[str] = mapped_column(String(20))
    note: Mapped[str | None] = mapped_column(Text)
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))


class MailThread(Base):
    """Where a conversation's answers go, and who else its customer has let write."""

    __tablename__ = "mail_threads"

    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True)
    address: Mapped[str] = mapped_column(String(320))
    subject: Mapped[str] = mapped_column(String(500))
    others: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")


class MailAddress(Stamped, Base):
    """An address that has written, and the account of its conversations."""

    __tablename__ = "mail_addresses"

    address: Mapped[str] = mapped_column(String(320), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)


class MailSource(Base):
    """How far a road was read, and how it was the last time."""

    __tablename__ = "mail_sources"

    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    uid_validity: Mapped[int | None] = mapped_column(BigInteger)
    last_uid: Mapped[int] = mapped_column(BigInteger, server_default="0")
    taken: Mapped[int] = mapped_column(BigInteger, server_default="0")
    looked_at: Mapped[datetime | None]
    failing_since: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Text)


class SentMail(Identified, Stamped, Base):
    """One for each message that goes out. `tries`: counted before each, so that a lost answer shows."""

    __tablename__ = "sent_mails"
    __table_args__ = (
        one_of("state", SentState),
        CheckConstraint("state <> 'sent' OR sent_at IS NOT NULL", name="sent_has_time"),
        UniqueConstraint("said_id"),
        UniqueConstraint("message_id"),
        Index("ix_sent_mails_session_id", "session_id"),
        Index("ix_sent_mails_state_id", "state", "id"),
    )

    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"))
    said_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"))
    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("jobs.id"))
    message_id: Mapped[str] = mapped_column(String(300))
    to_address: Mapped[str] = mapped_column(String(320))
    headers: Mapped[dict[str, Any]] = mapped_column(JSONB)
    state: Mapped[str] = mapped_column(String(20))
    tries: Mapped[int] = mapped_column(server_default="0")
    sent_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Text)
