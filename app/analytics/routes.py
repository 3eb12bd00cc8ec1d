from fastapi import APIRouter

from app.accounts.authentication import AdminUser
from app.analytics import service
from app.analytics.errors import PeriodEmpty
from app.analytics.schemas import CostsOut
from app.core.db import ReadSession
from app.core.errors import Forbidden, Invalid, RateLimited, Unauthenticated, documented
from app.core.idempotency import IdempotentRoute
from app.core.schemas import Day
from app.providers import service as providers

router = APIRouter(route_class=IdempotentRoute, prefix="/analytics", tags=["analytics"])


@router.get("/ai-costs", responses=documented(Unauthenticated, Forbidden, RateLimited, Invalid, PeriodEmpty))
async def get_ai_costs(
    _who: AdminUser, db: ReadSession, since: Day | None = None, until: Day | None = None
) -> CostsOut:
    """What models cost, by day, operation, model and person; the month's budget; and the cost of a ticket."""
    rules = await providers.platform(db)
    return await service.report(db, rules.costs, since=since, until=until)
