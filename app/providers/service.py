"""The platform's rules, and how its providers are."""

from typing import Any

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app.ai_config import service as ai_config
from app.core.auth import Principal
from app.core.redis import REDIS_AWAY, RedisError
from app.core.resources import Resources
from app.inference.assembly import ModelRoad, ResolveModel
from app.inference.operations import Operation
from app.inference.platform import Platform, effective
from app.models.spending import PlatformVersion
from app.providers import repository
from app.providers.errors import BreakersAway, PlatformInvalid, ProviderUnknown
from app.providers.schemas import BreakerOut, PlatformOut, ProviderOut, ProvidersOut


async def platform(db: AsyncSession) -> Platform:
    """What is in force now. A run reads it once, when it starts."""
    row = await repository.newest(db)
    return effective({} if row is None else row.sections)


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


async def shown(db: AsyncSession) -> PlatformOut:
    row = await repository.newest(db)
    if row is None:
        return PlatformOut(version=0, effective=effective({}), replaced=[], updated_at=None, updated_by=None)
    return PlatformOut(
        version=row.version,
        effective=effective(row.sections),
        replaced=sorted(row.sections),
        updated_at=row.created_at,
        updated_by=await repository.author(db, row),
    )


async def update(db: AsyncSession, who: Principal, *, sections: dict[str, Any]) -> PlatformOut:
    """The next version, in force from the next run on. Raises PlatformInvalid."""
    await repository.hold(db)
    row = await repository.newest(db)
    merged = {**({} if row is None else row.sections), **sections}
    kept = {name: value for name, value in merged.items() if value is not None}
    try:
        effective(kept)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise PlatformInvalid("; ".join(problems)[:2000]) from error
    db.add(PlatformVersion(version=1 if row is None else row.version + 1, sections=kept, author_id=who.user_id))
    await db.flush()
    return await shown(db)


async def providers(resources: Resources, db: AsyncSession) -> ProvidersOut:
    rules = await platform(db)
    configured = [version.row for version in await ai_config.all_active(db)]
    return ProvidersOut(
        providers=[
            await _provider(resources, rules, name)
            for name in rules.providers_in_use(await ai_config.models_in_force(db))
        ],
        chains={
            row.agent_type: {operation: rules.chain(row.model, operation) for operation in Operation}
            for row in configured
        },
    )


async def reset_breaker(resources: Resources, db: AsyncSession, name: str) -> ProviderOut:
    """Closed, as if nothing had happened. Raises ProviderUnknown and BreakersAway."""
    rules = await platform(db)
    if name not in rules.providers_in_use(await ai_config.models_in_force(db)):
        raise ProviderUnknown
    try:
        await resources.breakers.reset(name)
    except (*REDIS_AWAY, RedisError) as error:
        raise BreakersAway from error
    return await _provider(resources, rules, name)


async def _provider(resources: Resources, rules: Platform, name: str) -> ProviderOut:
    limits = rules.limits(name)
    return ProviderOut(
        name=name,
        breaker=BreakerOut.model_validate(await resources.breakers.report(name)),
        in_use=await resources.slots.in_use(name),
        concurrency=limits.concurrency,
        request_seconds=limits.request_seconds,
        attempts=limits.attempts,
    )
