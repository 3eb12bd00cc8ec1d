"""What was asked of models and what it cost."""

import uuid
from datetime import date

from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, String
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Numbered, Stamped


class ModelCallRow(Numbered, Stamped, Base):
    """One request to a model, or one not made; never edited. `cost_usd` is null where it is not known."""

    __tablename__ = "model_calls"
    __table_args__ = (
        CheckConstraint("outcome IN ('answered', 'failed', 'skipped')", name="outcome_known"),
        Index("ix_model_calls_run_id_id", "run_id", "id"),
        Index("ix_model_calls_created_at", "created_at"),
    )

    run_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("agent_runs.id"))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    """None: the desk itself."""
    operation: Mapped[str] = mapped_column(String(50))
    attempt: Mapped[int] = mapped_column(default=1)
    model: Mapped[str] = mapped_column(String(200))
    provider: Mapped[str] = mapped_column(String(100))
    outcome: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str | None] = mapped_column(String(50))
    status: Mapped[int | None]
    from_cache: Mapped[bool] = mapped_column(default=False)
    seconds: Mapped[float] = mapped_column(default=0.0)
    input_tokens: Mapped[int] = mapped_column(default=0)
    output_tokens: Mapped[int] = mapped_column(default=0)
    cached_tokens: Mapped[int] = mapped_column(default=0)
    cost_usd: Mapped[float | None] = mapped_column(Numeric(14, 8, asdecimal=False))


class SpendingMonth(Base):
    """The month's sum, kept with the calls, so that a run can ask for it at no cost. The budgets that were warned of
    are kept, so that each is warned of once."""

    __tablename__ = "spending_months"

    month: Mapped[date] = mapped_column(primary_key=True)
    spent_usd: Mapped[float] = mapped_column(Numeric(14, 8, asdecimal=False), default=0)
    unpriced_calls: Mapped[int] = mapped_column(default=0)
    alerted_budget: Mapped[float | None] = mapped_column(Numeric(14, 2, asdecimal=False))
    stopped_budget: Mapped[float | None] = mapped_column(Numeric(14, 2, asdecimal=False))
