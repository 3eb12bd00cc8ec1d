"""Waiting for a run to end, from a request. Redis tells at once; the database is asked too, for Redis may be away."""

import asyncio
import uuid

from redis.asyncio.client import PubSub
from sqlalchemy import select

from app.core.redis import REDIS_AWAY, RedisError
from app.core.resources import Resources
from app.models.agent import AgentRun, RunStatus
from app.outbox.deliveries import REDIS_PREFIX

ENDED = (RunStatus.COMPLETED, RunStatus.FAILED)
POLL_SECONDS = 0.5


def channel(run_id: uuid.UUID) -> str:
    """Where the end of a run is announced."""
    return f"run:{run_id}"


async def wait(resources: Resources, run_id: uuid.UUID, *, seconds: float) -> AgentRun:
    """The run, ended or as it is when the time is over. No connection to the database is held meanwhile."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    news = _News(resources.redis.pubsub(), f"{REDIS_PREFIX}{channel(run_id)}")
    try:
        while True:
            # Listen first, then look: what ends in between is heard.
            await news.listen()
            run = await _read(resources, run_id)
            left = end - loop.time()
            if run.status in ENDED or left <= 0:
                return run
            await news.pause(min(POLL_SECONDS, left))
    finally:
        await news.close()


async def _read(resources: Resources, run_id: uuid.UUID) -> AgentRun:
    async with resources.db.session() as db:
        return (await db.execute(select(AgentRun).where(AgentRun.id == run_id))).scalar_one()


class _News:
    """A subscription that may fail at any time, and then just waits."""

    def __init__(self, pubsub: PubSub, name: str) -> None:
        self._pubsub = pubsub
        self._name = name
        self._listening = False

    async def listen(self) -> None:
        if not self._listening:
            try:
                await self._pubsub.subscribe(self._name)
                self._listening = True
            except (*REDIS_AWAY, RedisError):
                self._listening = False

    async def pause(self, seconds: float) -> None:
        """Until something is heard, `seconds` at most."""
        if not self._listening:
            await asyncio.sleep(seconds)
            return
        try:
            await self._pubsub.get_message(ignore_subscribe_messages=True, timeout=seconds)
        except (*REDIS_AWAY, RedisError):
            self._listening = False
            await asyncio.sleep(min(seconds, POLL_SECONDS))

    async def close(self) -> None:
        try:
            await self._pubsub.aclose()  # type: ignore[no-untyped-call] # untyped in redis-py
        except (*REDIS_AWAY, RedisError):
            self._listening = False
