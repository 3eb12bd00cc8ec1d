from app.analytics.events import BudgetNearlySpent, BudgetSpent
from app.outbox.deliveries import Delivery, Push

BUDGET_CHANNEL = "budget"


def tell_administrators(event: BudgetNearlySpent | BudgetSpent) -> list[Delivery]:
    kind = "budget_spent" if isinstance(event, BudgetSpent) else "budget_nearly_spent"
    return [Push(BUDGET_CHANNEL, "analytics", kind, event.model_dump(mode="json"))]
