"""Versions of the local classifier, trained here. Version 0, the delivered one, is a file and has no row."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Stamped, one_of


class HeadStatus(StrEnum):
    TRAINING = "training"
    ACTIVE = "active"
    READY = "ready"
    REFUSED = "refused"
    FAILED = "failed"


class ClassifierHead(Stamped, Base):
    """What was learned stays as it is; only its status changes. One is active, or none: then it is version 0."""

    __tablename__ = "classifier_heads"
    __table_args__ = (
        one_of("status", HeadStatus),
        CheckConstraint("status NOT IN ('active', 'ready') OR weights IS NOT NULL", name="usable_has_weights"),
        Index("uq_classifier_heads_active", "status", unique=True, postgresql_where=text("status = 'active'")),
    )

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("jobs.id"), unique=True)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    status: Mapped[str] = mapped_column(String(20), default=HeadStatus.TRAINING)
    reason: Mapped[str | None] = mapped_column(Text)
    # A plain .npz and its description, as app.inference.local.head packs them.
    weights: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    description: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    checksum: Mapped[str | None] = mapped_column(String(64))
    report: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    finished_at: Mapped[datetime | None]
