"""Work that a Celery worker does, and who is doing it. The row, not the broker's message, says that work is due."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, Index, String, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified, Stamped, one_of


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Job(Identified, Stamped, Base):
    __tablename__ = "jobs"
    __table_args__ = (
        one_of("state", JobState),
        CheckConstraint("progress BETWEEN 0 AND 1", name="progress_share"),
        CheckConstraint("(state = 'running') = (lease_expires_at IS NOT NULL)", name="running_has_lease"),
        Index("ix_jobs_due", "state", "due_at", postgresql_where=text("state IN ('queued', 'running')")),
    )

    kind: Mapped[str] = mapped_column(String(50))
    subject: Mapped[str] = mapped_column(String(100))
    state: Mapped[str] = mapped_column(String(20), default=JobState.QUEUED)
    stage: Mapped[str | None] = mapped_column(String(50))
    progress: Mapped[float] = mapped_column(default=0.0)
    error: Mapped[str | None] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(default=0)
    claim: Mapped[str | None] = mapped_column(String(64))
    lease_expires_at: Mapped[datetime | None]
    due_at: Mapped[datetime] = mapped_column(server_default=func.now())
    carrier: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    finished_at: Mapped[datetime | None]
