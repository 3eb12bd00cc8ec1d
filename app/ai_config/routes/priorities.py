"""The weights of priorities, under `/ai-config`."""

from fastapi import APIRouter, Request, Response

from app.accounts.authentication import AdminUser
from app.ai_config.errors import PriorityWeightsInvalid, PriorityWeightsVersionUnknown
from app.ai_config.priorities import WEIGHTS
from app.ai_config.schemas import PriorityWeightChanges, PriorityWeightsOut
from app.core.db import ReadSession, WriteSession
from app.core.errors import Forbidden, Invalid, RateLimited, TooLarge, Unauthenticated, documented
from app.core.idempotency import IdempotencyConflict, IdempotencyKeyInvalid, IdempotentRoute
from app.core.pagination import BadCursor, Cursor, Limit, link_next
from app.versions.schemas import VersionRollback

router = APIRouter(
    route_class=IdempotentRoute,
    prefix="/ai-config/priority-weights",
    tags=["ai-config"],
    responses=documented(Unauthenticated, Forbidden, RateLimited),
)


@router.get("", responses=documented())
async def get_priority_weights(_who: AdminUser, db: ReadSession) -> PriorityWeightsOut:
    """How much each sign of urgency counts."""
    return PriorityWeightsOut.model_validate(await WEIGHTS.shown(db))


@router.put("", responses=documented(PriorityWeightsInvalid, TooLarge, Invalid))
async def update_priority_weights(body: PriorityWeightChanges, who: AdminUser, db: WriteSession) -> PriorityWeightsOut:
    """Replace values; the outcome is the next version, in force from the next score on, in every process."""
    return PriorityWeightsOut.model_validate(await WEIGHTS.update(db, who, values=body.given()))


@router.get("/history", responses=documented(BadCursor, Invalid))
async def priority_weights_history(
    who: AdminUser, db: ReadSession, request: Request, response: Response, cursor: Cursor = None, limit: Limit = 20
) -> list[PriorityWeightsOut]:
    """Every version but the delivered one, newest first, with what it changed."""
    page = await WEIGHTS.history(db, who, cursor=cursor, limit=limit)
    link_next(request, response, page.next_cursor)
    return [PriorityWeightsOut.model_validate(row) for row in page.rows]


@router.post(
    "/rollback",
    responses=documented(PriorityWeightsVersionUnknown, IdempotencyKeyInvalid, IdempotencyConflict, TooLarge, Invalid),
)
async def roll_back_priority_weights(body: VersionRollback, who: AdminUser, db: WriteSession) -> PriorityWeightsOut:
    """A new version with the values of an old one."""
    return PriorityWeightsOut.model_validate(await WEIGHTS.roll_back(db, who, version=body.version))
