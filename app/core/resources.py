"""What a process holds open: database, Redis, storage, token signer. Opened once, handed down, closed at its end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated

import httpx2
from fastapi import Depends
from fastapi.requests import HTTPConnection
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import TokenSigner, signing_secret
from app.core.breakers import Breakers
from app.core.db import Database
from app.core.ratelimit import RateLimiter
from app.core.redis import Redis, connect
from app.core.settings import Settings
from app.core.slots import Slots
from app.core.storage import Storage, open_storage
from app.core.vectors.base import VectorIndex
from app.core.vectors.opening import open_index

_KEY = "resources"


class NotConfigured(Exception):
    """A process was started without an address that it needs."""


KEPT_SECONDS = 30.0
"""Below what the tool server keeps a silent connection for: the one who may send is the one who closes."""


def _connections() -> httpx2.AsyncHTTPTransport:
    return httpx2.AsyncHTTPTransport(limits=httpx2.Limits(max_connections=100, keepalive_expiry=KEPT_SECONDS))


@dataclass(frozen=True, slots=True)
class Resources:
    settings: Settings
    db: Database
    redis: Redis
    storage: Storage
    signer: TokenSigner
    limiter: RateLimiter
    breakers: Breakers
    slots: Slots
    vectors: VectorIndex | None = None
    """Where nearest vectors are looked up; None: in the database."""
    connections: httpx2.AsyncHTTPTransport = field(default_factory=_connections)
    """To the tool server, kept from one run to the next."""


@asynccontextmanager
async def open_resources(settings: Settings) -> AsyncIterator[Resources]:
    if settings.database_url is None or settings.redis_url is None:
        raise NotConfigured("Set DATABASE_URL and REDIS_URL, or start everything with 'evidesk up'.")
    db = Database(settings.database_url.get_secret_value(), settings.database)
    redis = connect(settings.redis_url.get_secret_value())
    vectors = open_index(settings)
    try:
        signer = TokenSigner(signing_secret(settings))
        resources = Resources(
            settings,
            db,
            redis,
            open_storage(settings),
            signer,
            RateLimiter(redis),
            Breakers(redis),
            Slots(redis),
            vectors,
        )
        db.info[_KEY] = resources
        try:
            yield resources
        finally:
            await resources.connections.aclose()
    finally:
        if vectors is not None:
            await vectors.close()
        await redis.aclose()
        await db.dispose()


def resources_of(db: AsyncSession) -> Resources | None:
    """Those that a session's database was opened with; None for a database that was opened alone."""
    found: Resources | None = db.info.get(_KEY)
    return found


def _resources(connection: HTTPConnection) -> Resources:
    resources: Resources = connection.app.state.resources
    return resources


Res = Annotated[Resources, Depends(_resources)]
