"""How the agents work on a ticket: the chain, its steps, the routing decision and the draft that come of it."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified, Numbered, Stamped, one_of


class ResolutionStatus(StrEnum):
    RUNNING = "running"
    AWAITING_APPROVAL = "awaiting_approval"
    ESCALATED = "escalated"
    FINISHED = "finished"
    FAILED = "failed"


class DecisionStatus(StrEnum):
    APPLIED = "applied"
    PENDING_REVIEW = "pending_review"
    APPROVED = "approved"
    CORRECTED = "corrected"
    REJECTED = "rejected"


class SyncStatus(StrEnum):
    """Whether the ticket carries what was decided."""

    PENDING = "pending"
    SYNCED = "synced"
    SKIPPED = "skipped"


class DraftStatus(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    EDITED = "edited"
    REJECTED = "rejected"


class Resolution(Identified, Stamped, Base):
    __tablename__ = "resolutions"
    __table_args__ = (
        one_of("status", ResolutionStatus),
        # Two chains never work on one ticket at once.
        Index(
            "uq_resolutions_ticket_id_running", "ticket_id", unique=True, postgresql_where=text("status = 'running'")
        ),
        Index("ix_resolutions_ticket_id_id", "ticket_id", "id"),
    )

    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id", ondelete="CASCADE"))
    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("jobs.id"), unique=True)
    # None: the desk itself, for a new ticket.
    asked_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    status: Mapped[str] = mapped_column(String(20), default=ResolutionStatus.RUNNING)
    error: Mapped[str | None] = mapped_column(Text)
    finished_at: Mapped[datetime | None]


class ResolutionStep(Numbered, Stamped, Base):
    __tablename__ = "resolution_steps"
    __table_args__ = (UniqueConstraint("resolution_id", "position"),)

    resolution_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("resolutions.id", ondelete="CASCADE"))
    position: Mapped[int]
    operation: Mapped[str] = mapped_column(String(50))
    run_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("agent_runs.id", ondelete="CASCADE"), unique=True)
    # None until its run has ended and was settled.
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    finished_at: Mapped[datetime | None]


class RoutingDecision(Numbered, Stamped, Base):
    __tablename__ = "routing_decisions"
    __table_args__ = (
        one_of("status", DecisionStatus),
        one_of("sync_status", SyncStatus),
        CheckConstraint("confidence BETWEEN 0 AND 1", name="confidence_share"),
        Index("ix_routing_decisions_ticket_id_id", "ticket_id", "id"),
        Index("ix_routing_decisions_review", "id", postgresql_where=text("status = 'pending_review'")),
    )

    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id", ondelete="CASCADE"))
    # Unique: a run decides once, however often its outcome is looked at.
    run_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("agent_runs.id", ondelete="CASCADE"), unique=True)
    resolution_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("resolutions.id", ondelete="CASCADE"))
    type: Mapped[str | None] = mapped_column(String(20))
    category: Mapped[str] = mapped_column(String(50))
    priority: Mapped[str] = mapped_column(String(20))
    team: Mapped[str] = mapped_column(String(50))
    confidence: Mapped[float]
    reasoning: Mapped[str] = mapped_column(Text)
    alternatives: Mapped[list[Any]] = mapped_column(JSONB)
    entities: Mapped[dict[str, Any]] = mapped_column(JSONB)
    priority_terms: Mapped[list[Any]] = mapped_column(JSONB)
    weights_version: Mapped[int | None]
    tool_calls: Mapped[list[Any]] = mapped_column(JSONB)
    processing_seconds: Mapped[float]
    model: Mapped[str] = mapped_column(String(200))
    config_version: Mapped[int]
    correlation_id: Mapped[str | None] = mapped_column(String(128))
    requires_manual_review: Mapped[bool]
    review_reasons: Mapped[list[Any]] = mapped_column(JSONB)
    status: Mapped[str] = mapped_column(String(20))
    sync_status: Mapped[str] = mapped_column(String(20))
    reviewed_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    reviewed_at: Mapped[datetime | None]
    corrections: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    rating: Mapped[int | None]
    note: Mapped[str | None] = mapped_column(Text)


class ReplyDraft(Numbered, Stamped, Base):
    __tablename__ = "reply_drafts"
    __table_args__ = (
        one_of("status", DraftStatus),
        Index("ix_reply_drafts_status_id", "status", "id"),
        Index("ix_reply_drafts_ticket_id_id", "ticket_id", "id"),
    )

    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id", ondelete="CASCADE"))
    resolution_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("resolutions.id", ondelete="CASCADE"), unique=True)
    body: Mapped[str] = mapped_column(Text)
    citations: Mapped[list[Any]] = mapped_column(JSONB)
    confidence: Mapped[float]
    quality: Mapped[dict[str, Any]] = mapped_column(JSONB)
    status: Mapped[str] = mapped_column(String(20), default=DraftStatus.PENDING)
    # What was sent, where a person changed it.
    final_body: Mapped[str | None] = mapped_column(Text)
    comment_id: Mapped[int | None] = mapped_column(ForeignKey("ticket_comments.id", ondelete="SET NULL"))
    reviewed_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    reviewed_at: Mapped[datetime | None]
    rating: Mapped[int | None]
    note: Mapped[str | None] = mapped_column(Text)
