"""Who a customer is to us, and which services are in trouble."""

import re
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.core.redis import REDIS_AWAY, RedisError
from app.core.resources import Resources
from app.core.telemetry import get_logger
from app.directory import remote, repository
from app.directory.errors import DirectoryAway, NotYourProfile
from app.directory.schemas import Profile, ProfileIn, Service, ServiceIn

log = get_logger(__name__)

_PROFILE: TypeAdapter[Profile | None] = TypeAdapter(Profile | None)
_SERVICES: TypeAdapter[list[Service] | None] = TypeAdapter(list[Service] | None)
T = TypeVar("T")

_WORD = re.compile(r"[^\W_]+")


async def profile(resources: Resources, db: AsyncSession, who: Principal, user_id: int) -> Profile | None:
    """None: nothing is known, or the system that knows is away. Raises NotYourProfile and CustomerUnknown."""
    if user_id != who.user_id and not who.is_staff:
        raise NotYourProfile
    settings = resources.settings.directory
    email = await repository.email_of(db, user_id)

    async def ask() -> Profile | None:
        if settings.customers_url is not None:
            return await remote.profile(settings, settings.customers_url, email)
        return await repository.profile(db, user_id)

    return await _known(resources, f"customer:{user_id}", _PROFILE, ask)


async def services(resources: Resources, db: AsyncSession) -> list[Service] | None:
    """All there are; None when the system that knows is away."""
    settings = resources.settings.directory

    async def ask() -> list[Service] | None:
        if settings.services_url is not None:
            return await remote.services(settings, settings.services_url)
        return await repository.services(db)

    return await _known(resources, "services", _SERVICES, ask)


def named_in(text: str, among: list[Service]) -> list[Service]:
    """The services whose name or alias stands in the text, as words of their own."""
    said = f" {' '.join(_WORD.findall(text.casefold()[:100_000]))} "
    return [
        service
        for service in among
        if any(f" {' '.join(_WORD.findall(name.casefold()))} " in said for name in (service.name, *service.aliases))
    ]


async def store_profile(db: AsyncSession, user_id: int, *, given: ProfileIn) -> Profile:
    await repository.email_of(db, user_id)
    await repository.store_profile(db, user_id, given)
    return Profile(**given.model_dump())


async def store_service(db: AsyncSession, name: str, *, given: ServiceIn) -> Service:
    await repository.store_service(db, name, given)
    return next(service for service in await repository.services(db) if service.name == name)


async def drop_service(db: AsyncSession, name: str) -> None:
    await repository.drop_service(db, name)


async def _known(
    resources: Resources, name: str, shape: TypeAdapter[T | None], ask: Callable[[], Awaitable[T | None]]
) -> T | None:
    """From memory while it is young enough, else asked for. Redis being away costs the memory only."""
    seconds = resources.settings.directory.cache_seconds
    key = f"directory:{name}"
    if seconds:
        try:
            kept = await resources.redis.get(key)
            if kept is not None:
                return shape.validate_json(kept)
        except (*REDIS_AWAY, RedisError) as error:
            log.warning("directory_cache_away", error=type(error).__name__)
    try:
        found = await ask()
    except DirectoryAway as error:
        log.warning("directory_away", about=name.partition(":")[0], error=str(error))
        return None
    if seconds:
        try:
            await resources.redis.set(key, shape.dump_json(found), ex=seconds)
        except (*REDIS_AWAY, RedisError) as error:
            log.warning("directory_cache_away", error=type(error).__name__)
    return found
