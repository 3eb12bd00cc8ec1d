"""Parts of a long recording, while they are transcribed. With the last of them they are joined, and go."""

import uuid
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Numbered, Stamped, one_of


class PartState(StrEnum):
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"


class FilePart(Numbered, Stamped, Base):
    """One part and its job. `pieces`: (first sample in the recording at 16 kHz, how many), as they lie in its sound."""

    __tablename__ = "file_parts"
    __table_args__ = (
        one_of("state", PartState),
        CheckConstraint("start_seconds >= 0 AND end_seconds > start_seconds", name="span"),
        CheckConstraint("(state = 'waiting') = (storage_key IS NOT NULL)", name="waiting_has_sound"),
        CheckConstraint("(state = 'done') = (result IS NOT NULL)", name="done_has_result"),
        CheckConstraint("(state = 'failed') = (error IS NOT NULL)", name="failed_has_error"),
        Index("uq_file_parts_file_id_position", "file_id", "position", unique=True),
    )

    file_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("files.id", ondelete="CASCADE"))
    position: Mapped[int]
    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("jobs.id"), unique=True)
    start_seconds: Mapped[float]
    end_seconds: Mapped[float]
    pieces: Mapped[list[list[int]]] = mapped_column(JSONB)
    storage_key: Mapped[str | None] = mapped_column(String(500), unique=True)
    state: Mapped[str] = mapped_column(String(20), default=PartState.WAITING)
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    error: Mapped[str | None] = mapped_column(Text)
