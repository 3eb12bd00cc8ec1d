from datetime import datetime
from typing import ClassVar

from app.core.schemas import Event


class BudgetEvent(Event):
    month: str
    budget_usd: float
    spent_usd: float
    timestamp: datetime

    @property
    def aggregate(self) -> str:
        return f"budget:{self.month}"


class BudgetNearlySpent(BudgetEvent):
    """Administrators are to know; runs go on as they are."""

    type: ClassVar[str] = "budget.nearly_spent"


class BudgetSpent(BudgetEvent):
    """From now on runs are carried out by `local`, until the month ends or the budget is raised."""

    type: ClassVar[str] = "budget.spent"
