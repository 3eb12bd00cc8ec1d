"""What an answer must reach before it is sent, as administrators have laid it down."""

from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Stamped


class AnswerThresholds(Stamped, Base):
    """Values in place of the delivered ones. Rows are only added; the last counts."""

    __tablename__ = "answer_thresholds"

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    replaced: Mapped[dict[str, Any]] = mapped_column(JSONB)
    author_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
