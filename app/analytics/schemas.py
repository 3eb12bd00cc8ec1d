from datetime import date
from typing import Literal

from pydantic import Field

from app.core.schemas import Out


class CostLine(Out):
    name: str
    calls: int = Field(description="Answered, from the cache or not.")
    failed: int
    from_cache: int
    input_tokens: int
    output_tokens: int
    cost_usd: float = Field(description="Of the calls whose cost is known.")
    unpriced_calls: int = Field(description="Calls whose cost is not known; they are in no sum.")


class BudgetOut(Out):
    month: str
    spent_usd: float
    unpriced_calls: int
    budget_usd: float | None
    fraction: float | None = Field(description="Of the budget; null without one.")
    state: Literal["no_budget", "within", "alert", "stopped"]


class TicketCost(Out):
    tickets: int
    cost_usd: float
    per_ticket_usd: float | None
    target_usd: float
    within_target: bool | None


class CostsOut(Out):
    since: date
    until: date = Field(description="The day after the last one.")
    by_day: list[CostLine]
    by_operation: list[CostLine]
    by_model: list[CostLine]
    by_user: list[CostLine]
    budget: BudgetOut
    tickets: TicketCost
