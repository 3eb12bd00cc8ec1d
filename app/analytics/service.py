"""Calls of models on record, the budget they are counted against, and the report of both."""

import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.analytics import repository
from app.analytics.errors import PeriodEmpty
from app.analytics.events import BudgetNearlySpent, BudgetSpent
from app.analytics.schemas import BudgetOut, CostLine, CostsOut, TicketCost
from app.core.clock import now
from app.core.resources import Resources
from app.core.telemetry import get_logger
from app.inference.calls import ModelCall, total
from app.inference.platform import CostSection
from app.models.spending import ModelCallRow, SpendingMonth
from app.outbox import writer as outbox

log = get_logger(__name__)


async def record(
    db: AsyncSession,
    calls: Sequence[ModelCall],
    *,
    user_id: int,
    operation: str,
    run_id: uuid.UUID | None,
    attempt: int = 1,
    costs: CostSection,
) -> None:
    """In the unit of work that stores what the calls were for; user 0 is the desk itself. The month is held from here
    on: call it last."""
    if not calls:
        return
    db.add_all(
        ModelCallRow(
            run_id=run_id,
            user_id=user_id or None,
            operation=operation,
            attempt=attempt,
            model=call.model,
            provider=call.provider,
            outcome=call.outcome,
            reason=call.reason,
            status=call.status,
            from_cache=call.from_cache,
            seconds=round(call.seconds, 4),
            input_tokens=call.input_tokens,
            output_tokens=call.output_tokens,
            cached_tokens=call.cached_tokens,
            cost_usd=call.cost_usd,
        )
        for call in calls
    )
    spent, unpriced = total(calls), sum(call.cost_usd is None for call in calls)
    if spent or unpriced:
        month = await repository.add_to_month(db, _first(now()), spent=spent, unpriced=unpriced)
        _warn(db, month, costs)


async def record_alone(
    resources: Resources, calls: Sequence[ModelCall], *, user_id: int, operation: str, costs: CostSection
) -> None:
    """Of calls that belong to no run: in a unit of work of its own."""
    async with resources.db.unit_of_work() as db:
        await record(db, calls, user_id=user_id, operation=operation, run_id=None, costs=costs)


async def over_budget(db: AsyncSession, costs: CostSection) -> bool:
    """Whether runs are to be carried out by `local`. Runs that are under way at that moment may go beyond it."""
    return costs.monthly_budget_usd is not None and (await budget(db, costs)).state == "stopped"


async def report(db: AsyncSession, costs: CostSection, *, since: date | None, until: date | None) -> CostsOut:
    """From `since`, else the first of this month, up to but without `until`, else today's end; days in UTC."""
    today = now().date()
    first, last = since or today.replace(day=1), until or today + timedelta(days=1)
    if last <= first:
        raise PeriodEmpty
    start, end = (datetime.combine(day, time(), UTC) for day in (first, last))
    lines = {
        by: [CostLine.model_validate(row) for row in await repository.sums(db, by, start, end)]
        for by in ("day", "operation", "model", "user")
    }
    tickets, spent = await repository.per_ticket(db, start, end)
    each = spent / tickets if tickets else None
    return CostsOut(
        since=first,
        until=last,
        by_day=lines["day"],
        by_operation=lines["operation"],
        by_model=lines["model"],
        by_user=lines["user"],
        budget=await budget(db, costs),
        tickets=TicketCost(
            tickets=tickets,
            cost_usd=spent,
            per_ticket_usd=each,
            target_usd=costs.ticket_target_usd,
            within_target=None if each is None else each < costs.ticket_target_usd,
        ),
    )


async def budget(db: AsyncSession, costs: CostSection) -> BudgetOut:
    """Of this month."""
    first = _first(now())
    row = await repository.month(db, first)
    spent, unpriced = (0.0, 0) if row is None else (row.spent_usd, row.unpriced_calls)
    fraction = None if costs.monthly_budget_usd is None else spent / costs.monthly_budget_usd
    return BudgetOut(
        month=f"{first:%Y-%m}",
        spent_usd=spent,
        unpriced_calls=unpriced,
        budget_usd=costs.monthly_budget_usd,
        fraction=fraction,
        state="no_budget"
        if fraction is None
        else "stopped"
        if fraction >= costs.stop_at
        else "alert"
        if fraction >= costs.alert_at
        else "within",
    )


def _warn(db: AsyncSession, month: SpendingMonth, costs: CostSection) -> None:
    """Once for each budget and month, however many runs cross the line at a time: the month is held."""
    budget = costs.monthly_budget_usd
    if budget is None:
        return
    spent = float(month.spent_usd)
    about: dict[str, Any] = {"month": f"{month.month:%Y-%m}", "budget_usd": budget, "spent_usd": spent}
    if spent >= budget * costs.alert_at and month.alerted_budget != budget:
        month.alerted_budget = budget
        outbox.add(db, BudgetNearlySpent(**about, timestamp=now()))
        log.warning("budget_nearly_spent", **about)
    if spent >= budget * costs.stop_at and month.stopped_budget != budget:
        month.stopped_budget = budget
        outbox.add(db, BudgetSpent(**about, timestamp=now()))
        log.error("budget_spent", **about)


def _first(moment: datetime) -> date:
    return moment.date().replace(day=1)
