"""Connections to other systems, and which of their things belongs to which of ours."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Numbered, Stamped


class Integration(Numbered, Stamped, Base):
    """`secret` is ciphertext; it goes in and never comes out."""

    __tablename__ = "integrations"

    provider: Mapped[str] = mapped_column(String(50), index=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    enabled: Mapped[bool] = mapped_column(default=True)
    config: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    secret: Mapped[bytes | None] = mapped_column(LargeBinary)


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
