"""The platform's rules, and how its providers are."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.ai_config import service as ai_config
from app.core.redis import REDIS_AWAY, RedisError
from app.core.resources import Resources
from app.inference.assembly import ModelRoad, ResolveModel
from app.inference.operations import Operation
from app.inference.platform import Platform, effective
from app.inference.reranking import RERANKER, remote_reranker
from app.providers.errors import BreakersAway, PlatformInvalid, PlatformVersionUnknown, ProviderUnknown
from app.providers.schemas import BreakerOut, ProviderOut, ProvidersOut
from app.versions.service import Values

PLATFORM: Values[Platform] = Values("platform", effective, PlatformInvalid, PlatformVersionUnknown)


async def platform(db: AsyncSession) -> Platform:
    """What is in force now. A run reads it once, when it starts."""
    return (await PLATFORM.in_force(db))[1]


def road(
    resources: Resources, rules: Platform, resolve: ResolveModel, *, over_budget: bool, alone: bool = False
) -> ModelRoad:
    """From a model's name to its answers, by these rules."""
    return ModelRoad(
        resources.settings,
        rules,
        resources.breakers,
        resources.slots,
        resources.redis,
        resolve,
        alone=alone,
        over_budget=over_budget,
    )


async def providers(resources: Resources, db: AsyncSession) -> ProvidersOut:
    rules = await platform(db)
    configured = [version.row for version in await ai_config.all_active(db)]
    return ProvidersOut(
        providers=[await _provider(resources, rules, name) for name in await _names(resources, db, rules)],
        chains={
            row.agent_type: {operation: rules.chain(row.model, operation) for operation in Operation}
            for row in configured
        },
    )


async def reset_breaker(resources: Resources, db: AsyncSession, name: str) -> ProviderOut:
    """Closed, as if nothing had happened. Raises ProviderUnknown and BreakersAway."""
    rules = await platform(db)
    if name not in await _names(resources, db, rules):
        raise ProviderUnknown
    try:
        await resources.breakers.reset(name)
    except (*REDIS_AWAY, RedisError) as error:
        raise BreakersAway from error
    return await _provider(resources, rules, name)


async def _names(resources: Resources, db: AsyncSession, rules: Platform) -> list[str]:
    names = {*rules.providers_in_use(await ai_config.models_in_force(db))}
    return sorted(names | {RERANKER} if remote_reranker(resources.settings) is not None else names)


async def _provider(resources: Resources, rules: Platform, name: str) -> ProviderOut:
    limits = rules.limits(name)
    if name == RERANKER:
        # Somebody waits for the search: once, and not for long.
        seconds = resources.settings.reranker.timeout_seconds
        limits = limits.model_copy(update={"request_seconds": seconds, "attempts": 1})
    return ProviderOut(
        name=name,
        breaker=BreakerOut.model_validate(await resources.breakers.report(name)),
        in_use=await resources.slots.in_use(name),
        concurrency=limits.concurrency,
        request_seconds=limits.request_seconds,
        attempts=limits.attempts,
    )
