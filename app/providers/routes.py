"""Under `/ai-config`, before that room's own routes: `/ai-config/{agent_type}` would take these addresses."""

from fastapi import APIRouter

from app.accounts.authentication import AdminUser
from app.ai_config.errors import ConfigMissing
from app.core.db import ReadSession
from app.core.errors import Forbidden, Invalid, RateLimited, TooLarge, Unauthenticated, documented
from app.core.idempotency import IdempotencyConflict, IdempotencyKeyInvalid, IdempotentRoute
from app.core.resources import Res
from app.providers import service
from app.providers.errors import BreakersAway, ProviderUnknown
from app.providers.schemas import PlatformChanges, PlatformOut, ProviderOut, ProvidersOut
from app.versions.routes import Said, versioned

platform = versioned(
    "/ai-config/platform",
    service.PLATFORM,
    Said(
        "platform",
        get="Fallbacks, limits, prices, budget, cache and safety that are in force.",
        update="Replace whole sections; in force from the next run on, in every process.",
        roll_back="A new version with the sections of an old one.",
    ),
    changes=PlatformChanges,
    out=PlatformOut,
)
router = APIRouter(
    route_class=IdempotentRoute,
    prefix="/ai-config",
    tags=["ai-config"],
    responses=documented(Unauthenticated, Forbidden, RateLimited),
)


@router.get("/providers", responses=documented(ConfigMissing))
async def list_providers(_who: AdminUser, db: ReadSession, resources: Res) -> ProvidersOut:
    """Every provider that some chain leads to, and a remote reranker: breaker, requests under way, limits."""
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


ROUTERS = (platform, router)
