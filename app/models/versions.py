"""Values in place of the delivered ones, as administrators have laid them down."""

from typing import Any

from sqlalchemy import ForeignKey, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Stamped


class ValueVersion(Stamped, Base):
    """Rows are only added; of each subject the last counts."""

    __tablename__ = "value_versions"

    subject: Mapped[str] = mapped_column(String(50), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    replaced: Mapped[dict[str, Any]] = mapped_column(JSONB)
    author_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
