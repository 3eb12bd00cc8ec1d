"""Connections to other systems, and which of their things belongs to which of ours."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint, false, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified, Numbered, Stamped, one_of


class Integration(Numbered, Stamped, Base):
    """`secret` is ciphertext; it goes in and never comes out."""

    __tablename__ = "integrations"

    provider: Mapped[str] = mapped_column(String(50), index=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    enabled: Mapped[bool] = mapped_column(default=True)
    config: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ExportStatus(StrEnum):
    QUEUED = "queued"
    CREATED = "created"
    FAILED = "failed"


class Export(Identified, Stamped, Base):
    """The wish that a ticket be passed on to a connection, and what came of it. `tried` is set before the first call:
    from then on the other system may hold what this row does not know of."""

    __tablename__ = "exports"
    __table_args__ = (
        one_of("status", ExportStatus),
        CheckConstraint("(status = 'created') = (external_id IS NOT NULL)", name="created_has_external_id"),
        UniqueConstraint("integration_id", "ticket_id"),
        Index("ix_exports_ticket_id", "ticket_id"),
    )

    integration_id: Mapped[int] = mapped_column(ForeignKey("integrations.id", ondelete="CASCADE"))
    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id", ondelete="CASCADE"))
    requested_by: Mapped[int] = mapped_column(ForeignKey("users.id"))
    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("jobs.id"))
    status: Mapped[str] = mapped_column(String(20))
    fields: Mapped[dict[str, Any]] = mapped_column(JSONB)
    tried: Mapped[bool] = mapped_column(default=False, server_default=false())
    external_id: Mapped[str | None] = mapped_column(String(200))
    url: Mapped[str | None] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(Text)


class ExternalLink(Numbered, Stamped, Base):
    __tablename__ = "external_links"
    __table_args__ = (
        UniqueConstraint("integration_id", "external_id"),
        Index("ix_external_links_ticket_id", "ticket_id"),
    )

    integration_id: Mapped[int] = mapped_column(ForeignKey("integrations.id", ondelete="CASCADE"))
    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id", ondelete="CASCADE"))
    external_id: Mapped[str] = mapped_column(String(200))
    url: Mapped[str | None] = mapped_column(Text)


class WebhookDelivery(Numbered, Base):
    """Delivery ids already taken in, so that a repeated one is acknowledged and ignored."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (UniqueConstraint("provider", "delivery_id"),)

    provider: Mapped[str] = mapped_column(String(50))
    delivery_id: Mapped[str] = mapped_column(String(200))
    received_at: Mapped[datetime]
