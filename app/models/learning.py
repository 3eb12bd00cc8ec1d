"""What people taught the desk: one text, one field, the label a person stands for."""

from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Numbered, Stamped, one_of


class ExampleField(StrEnum):
    CATEGORY = "category"
    PRIORITY = "priority"
    TEAM = "team"
    TYPE = "type"


class ExampleSource(StrEnum):
    """Why the label counts: a person changed it, rated it well, or approved it as it was."""

    CORRECTION = "correction"
    RATING = "rating"
    APPROVAL = "approval"


class TrainingExample(Numbered, Stamped, Base):
    """The newest judgement of a ticket's field is the one that stands: there is one row for each of them."""

    __tablename__ = "training_examples"
    __table_args__ = (
        one_of("field", ExampleField),
        one_of("source", ExampleSource),
        UniqueConstraint("ticket_id", "field"),
        Index("ix_training_examples_field_id", "field", "id"),
    )

    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("tickets.id", ondelete="SET NULL"))
    text: Mapped[str] = mapped_column(Text)
    field: Mapped[str] = mapped_column(String(20))
    label: Mapped[str] = mapped_column(String(100))
    source: Mapped[str] = mapped_column(String(20))
    author_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
