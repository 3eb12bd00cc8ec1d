"""What a search was asked, found and took: for those who ask why an answer was, or was not, given."""

from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified, Stamped


class SearchRecord(Identified, Stamped, Base):
    """Kept for days, not for ever. `query` is without personal data as far as that is known by its form."""

    __tablename__ = "search_records"
    __table_args__ = (
        Index("ix_search_records_correlation_id", "correlation_id"),
        Index("ix_search_records_created_at", "created_at"),
    )

    # Of the request that asked: the X-Request-ID of a search, or of the message that an answer was sought for.
    correlation_id: Mapped[str] = mapped_column(String(200))
    reader_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    reader_role: Mapped[str] = mapped_column(String(20))
    query: Mapped[str] = mapped_column(Text)
    config: Mapped[dict[str, Any]] = mapped_column(JSONB)
    found: Mapped[int]
    candidates: Mapped[list[Any]] = mapped_column(JSONB)
    timings: Mapped[dict[str, Any]] = mapped_column(JSONB)
