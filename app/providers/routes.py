"""Under `/ai-config`, before that room's own routes: `/ai-config/{agent_type}` would take these addresses."""

from fastapi import APIRouter

from app.accounts.authentication import AdminUser
from app.ai_config.errors import ConfigMissing
from app.core.db import ReadSession, WriteSession
from app.core.errors import Forbidden, Invalid, RateLimited, TooLarge, Unauthenticated, documented
from app.core.idempotency import IdempotencyConflict, IdempotencyKeyInvalid, IdempotentRoute
from app.core.resources import Res
from app.providers import service
from app.providers.errors import BreakersAway, PlatformInvalid, ProviderUnknown
from app.providers.schemas import PlatformChanges, PlatformOut, ProviderOut, ProvidersOut

router = APIRouter(
    route_class=IdempotentRoute,
    prefix="/ai-config",
    tags=["ai-config"],
    responses=documented(Unauthenticated, Forbidden, RateLimited),
)


@router.get("/platform", responses=documented())
async def get_platform(_who: AdminUser, db: ReadSession) -> PlatformOut:
    """Fallbacks, limits, prices, budget, cache and safety that are in force."""
    return await service.shown(db)


@router.put("/platform", responses=documented(PlatformInvalid, TooLarge, Invalid))
async def update_platform(body: PlatformChanges, who: AdminUser, db: WriteSession) -> PlatformOut:
    """Replace whole sections; in force from the next run on, in every process."""
    return await service.update(db, who, sections=body.given())


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
