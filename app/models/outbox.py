"""What is to leave the database, and what was told to watchers."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Index, LargeBinary, String, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Numbered, Stamped, one_of


class OutboxState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


class OutboxRow(Numbered, Stamped, Base):
    """An event on its way. Delivered in id order within its aggregate; a dead one no longer holds back the rest."""

    __tablename__ = "outbox"
    __table_args__ = (
        one_of("state", OutboxState),
        Index("ix_outbox_pending", "aggregate", "id", postgresql_where=text("state = 'pending'")),
        Index("ix_outbox_due", "available_at", "id", postgresql_where=text("state = 'pending'")),
        Index("ix_outbox_state_id", "state", "id", postgresql_where=text("state <> 'pending'")),
    )

    aggregate: Mapped[str] = mapped_column(String(100))
    type: Mapped[str] = mapped_column(String(100))
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    carrier: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    state: Mapped[str] = mapped_column(String(20), default=OutboxState.PENDING)
    attempts: Mapped[int] = mapped_column(default=0)
    available_at: Mapped[datetime] = mapped_column(server_default=func.now())
    delivered_at: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(Text)


class Notification(Base):
    """A message as it was pushed, kept for replay. `seq` rises by one within a channel.

    A ticket has two channels, "ticket:12" and "ticket:12:staff": the second also holds what customers may not see,
    so that neither reader meets a gap in its numbers.
    """

    __tablename__ = "notifications"
    __table_args__ = (
        Index("uq_notifications_outbox_id_channel", "outbox_id", "channel", unique=True),
        Index("ix_notifications_created_at", "created_at"),
    )

    channel: Mapped[str] = mapped_column(String(100), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    # No foreign key: delivered outbox rows are pruned on their own schedule.
    outbox_id: Mapped[int] = mapped_column(BigInteger)
    type: Mapped[str] = mapped_column(String(100))
    protocol: Mapped[str] = mapped_column(String(50))
    data: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class IdempotencyRecord(Stamped, Base):
    """The stored answer to a POST with an Idempotency-Key, written in the transaction of its effect.

    `answer` is ciphertext: answers may hold tokens that are otherwise stored only as hashes.
    """

    __tablename__ = "idempotency_records"
    __table_args__ = (Index("ix_idempotency_records_created_at", "created_at"),)

    owner: Mapped[str] = mapped_column(String(100), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary(32))
    answer: Mapped[bytes] = mapped_column(LargeBinary)
