"""Under `/ai-config`, before that room's own routes: `/ai-config/{agent_type}` would take these addresses."""

from fastapi import APIRouter, Request, Response

from app.accounts.authentication import AdminUser
from app.ai_config.errors import ConfigMissing
from app.core.db import ReadSession, WriteSession
from app.core.errors import Forbidden, Invalid, RateLimited, TooLarge, Unauthenticated, documented
from app.core.idempotency import IdempotencyConflict, IdempotencyKeyInvalid, IdempotentRoute
from app.core.pagination import BadCursor, Cursor, Limit, link_next
from app.core.resources import Res
from app.providers import service
from app.providers.errors import BreakersAway, PlatformInvalid, PlatformVersionUnknown, ProviderUnknown
from app.providers.schemas import PlatformChanges, PlatformOut, ProviderOut, ProvidersOut
from app.versions.schemas import VersionRollback

router = APIRouter(
    route_class=IdempotentRoute,
    prefix="/ai-config",
    tags=["ai-config"],
    responses=documented(Unauthenticated, Forbidden, RateLimited),
)


@router.get("/platform", responses=documented())
async def get_platform(_who: AdminUser, db: ReadSession) -> PlatformOut:
    """Fallbacks, limits, prices, budget, cache and safety that are in force."""
    return PlatformOut.model_validate(await service.PLATFORM.shown(db))


@router.put("/platform", responses=documented(PlatformInvalid, TooLarge, Invalid))
async def update_platform(body: PlatformChanges, who: AdminUser, db: WriteSession) -> PlatformOut:
    """Replace whole sections; in force from the next run on, in every process."""
    return PlatformOut.model_validate(await service.PLATFORM.update(db, who, values=body.given()))


@router.get("/platform/history", responses=documented(BadCursor, Invalid))
async def platform_history(
    who: AdminUser, db: ReadSession, request: Request, response: Response, cursor: Cursor = None, limit: Limit = 20
) -> list[PlatformOut]:
    """Every version but the delivered one, newest first, with what it changed."""
    page = await service.PLATFORM.history(db, who, cursor=cursor, limit=limit)
    link_next(request, response, page.next_cursor)
    return [PlatformOut.model_validate(row) for row in page.rows]


@router.post(
    "/platform/rollback",
    responses=documented(
        PlatformInvalid, PlatformVersionUnknown, IdempotencyKeyInvalid, IdempotencyConflict, TooLarge, Invalid
    ),
)
async def roll_back_platform(body: VersionRollback, who: AdminUser, db: WriteSession) -> PlatformOut:
    """A new version with the sections of an old one."""
    return PlatformOut.model_validate(await service.PLATFORM.roll_back(db, who, version=body.version))


@router.get("/providers", responses=documented(ConfigMissing))
async def list_providers(_who: AdminUser, db: ReadSession, resources: Res) -> ProvidersOut:
    """Every provider that some chain leads to: its breaker, its requests under way, its limits."""
    return await service.providers(resources, db)


@router.post(
    "/providers/{name:path}/reset",
    responses=documented(
        ProviderUnknown, BreakersAway, ConfigMissing, Invalid, IdempotencyKeyInvalid, IdempotencyConflict, TooLarge
    ),
)
async def reset_breaker(name: str, _who: AdminUser, db: ReadSession, resources: Res) -> ProviderOut:
    """Close a provider's breaker: the next request is made."""
    return await service.reset_breaker(resources, db, name)
