"""Under `/ai-config`, before that room's own routes: `/ai-config/{agent_type}` would take these addresses."""

from fastapi import APIRouter, Request, Response

from app.accounts.authentication import AdminUser
from app.core.db import ReadSession, WriteSession
from app.core.errors import Forbidden, Invalid, RateLimited, TooLarge, Unauthenticated, documented
from app.core.idempotency import IdempotencyConflict, IdempotencyKeyInvalid, IdempotentRoute
from app.core.pagination import BadCursor, Cursor, Limit, link_next
from app.grounding.errors import ThresholdsInvalid, ThresholdsVersionUnknown
from app.grounding.schemas import ThresholdChanges, ThresholdsOut
from app.grounding.service import THRESHOLDS
from app.versions.schemas import VersionRollback

router = APIRouter(
    route_class=IdempotentRoute,
    prefix="/ai-config/answer-thresholds",
    tags=["ai-config"],
    responses=documented(Unauthenticated, Forbidden, RateLimited),
)


@router.get("", responses=documented())
async def get_thresholds(_who: AdminUser, db: ReadSession) -> ThresholdsOut:
    """What an answer must reach before it is sent."""
    return ThresholdsOut.model_validate(await THRESHOLDS.shown(db))


@router.put("", responses=documented(ThresholdsInvalid, TooLarge, Invalid))
async def update_thresholds(body: ThresholdChanges, who: AdminUser, db: WriteSession) -> ThresholdsOut:
    """Replace values; the outcome is the next version, in force from the next answer on, in every process."""
    return ThresholdsOut.model_validate(await THRESHOLDS.update(db, who, values=body.given()))


@router.get("/history", responses=documented(BadCursor, Invalid))
async def thresholds_history(
    who: AdminUser, db: ReadSession, request: Request, response: Response, cursor: Cursor = None, limit: Limit = 20
) -> list[ThresholdsOut]:
    """Every version but the delivered one, newest first, with what it changed."""
    page = await THRESHOLDS.history(db, who, cursor=cursor, limit=limit)
    link_next(request, response, page.next_cursor)
    return [ThresholdsOut.model_validate(row) for row in page.rows]


@router.post(
    "/rollback",
    responses=documented(ThresholdsVersionUnknown, IdempotencyKeyInvalid, IdempotencyConflict, TooLarge, Invalid),
)
async def roll_back_thresholds(body: VersionRollback, who: AdminUser, db: WriteSession) -> ThresholdsOut:
    """A new version with the values of an old one."""
    return ThresholdsOut.model_validate(await THRESHOLDS.roll_back(db, who, version=body.version))
