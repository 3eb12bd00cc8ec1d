from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Label, Row, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.models.agent import AgentRun
from app.models.spending import ModelCallRow, SpendingMonth
from app.models.user import User


async def month(db: AsyncSession, first: date) -> SpendingMonth | None:
    return await db.get(SpendingMonth, first)


async def add_to_month(db: AsyncSession, first: date, *, spent: Any, unpriced: int) -> SpendingMonth:
    """The month with this added to it, held until the unit of work ends."""
    added = insert(SpendingMonth).values(month=first, spent_usd=spent, unpriced_calls=unpriced)
    query = added.on_conflict_do_update(
        index_elements=[SpendingMonth.month],
        set_={
            "spent_usd": SpendingMonth.spent_usd + added.excluded.spent_usd,
            "unpriced_calls": SpendingMonth.unpriced_calls + added.excluded.unpriced_calls,
        },
    ).returning(SpendingMonth)
    return (await db.execute(query, execution_options={"populate_existing": True})).scalar_one()


async def sums(db: AsyncSession, by: str, since: datetime, until: datetime) -> Sequence[Row[Any]]:
    """Calls, tokens and dollars, by "day", "operation", "model" or "user"; the dearest first, days in their order."""
    day = func.date_trunc("day", ModelCallRow.created_at, "UTC")
    key = {"day": func.to_char(day, "YYYY-MM-DD"), "operation": ModelCallRow.operation, "model": ModelCallRow.model}
    name: Label[Any] = key.get(by, func.coalesce(User.username, "evidesk")).label("name")
    cost = func.coalesce(func.sum(ModelCallRow.cost_usd), 0).label("cost_usd")
    query = (
        select(
            name,
            func.count().filter(ModelCallRow.outcome == "answered").label("calls"),
            func.count().filter(ModelCallRow.outcome == "failed").label("failed"),
            func.count().filter(ModelCallRow.from_cache).label("from_cache"),
            func.sum(ModelCallRow.input_tokens).label("input_tokens"),
            func.sum(ModelCallRow.output_tokens).label("output_tokens"),
            cost,
            func.count().filter(ModelCallRow.cost_usd.is_(None)).label("unpriced_calls"),
        )
        .outerjoin(User, User.id == ModelCallRow.user_id)
        .where(ModelCallRow.created_at >= since, ModelCallRow.created_at < until)
        .group_by(name)
        .order_by(name if by == "day" else cost.desc())
        .limit(1000)
    )
    return (await db.execute(query)).all()


async def per_ticket(db: AsyncSession, since: datetime, until: datetime) -> tuple[int, float]:
    """Tickets that agents opened in that time, and what their runs cost together."""
    query = select(func.count(AgentRun.id), func.coalesce(func.sum(AgentRun.cost_usd), 0)).where(
        AgentRun.ticket_id.is_not(None), AgentRun.created_at >= since, AgentRun.created_at < until
    )
    count, cost = (await db.execute(query)).one()
    return int(count), float(cost)
