"""Inputs with what is right about their answers, and what versions of a configuration made of them."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified, Numbered, Stamped, one_of


class ReportStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    FAILED = "failed"


class EvaluationSet(Numbered, Stamped, Base):
    __tablename__ = "evaluation_sets"
    __table_args__ = (UniqueConstraint("agent_type", "name"),)

    agent_type: Mapped[str] = mapped_column(String(50))
    name: Mapped[str] = mapped_column(String(50))
    description: Mapped[str] = mapped_column(Text)
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    cases: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class EvaluationReport(Identified, Stamped, Base):
    """A proposed version beside the active one, on cases as they were when it was proposed."""

    __tablename__ = "evaluation_reports"
    __table_args__ = (
        one_of("status", ReportStatus),
        CheckConstraint("rollout BETWEEN 1 AND 100", name="rollout_percent"),
        Index("ix_evaluation_reports_agent_type_id", "agent_type", "id"),
    )

    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("jobs.id"), unique=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    agent_type: Mapped[str] = mapped_column(String(50))
    set_name: Mapped[str] = mapped_column(String(50))
    set_version: Mapped[int]
    status: Mapped[str] = mapped_column(String(20), default=ReportStatus.QUEUED)
    active_version: Mapped[int]
    candidate_version: Mapped[int | None]
    # What the administrator gave; empty: the candidate that was there.
    changes: Mapped[dict[str, Any]] = mapped_column(JSONB)
    proposed: Mapped[dict[str, Any]] = mapped_column(JSONB)
    rollout: Mapped[int]
    margin: Mapped[float]
    cases: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    outcomes: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list)
    active_score: Mapped[float | None]
    candidate_score: Mapped[float | None]
    error: Mapped[str | None] = mapped_column(Text)
    finished_at: Mapped[datetime | None]
