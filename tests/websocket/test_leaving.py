"""The end of the Redis connection, at whatever moment it comes."""

import asyncio

from app.embedded.data_plane import DataPlane
from app.outbox.deliveries import REDIS_PREFIX
from app.websocket.redis_pubsub import RedisPubSub


async def cancelled_after(url: str, turns: int, *, channel: str | None = None) -> bool:
    """Whether it ends when it is cancelled so many turns of the event loop after its start."""
    pubsub = RedisPubSub(url, prefix=REDIS_PREFIX, received=lambda *_: None, confirmed=lambda _: None)
    running = asyncio.create_task(pubsub.run())
    adding = asyncio.create_task(pubsub.add(channel)) if channel is not None else None
    for _ in range(turns):
        await asyncio.sleep(0)
    running.cancel()
    ended, _ = await asyncio.wait([running], timeout=15.0)
    running.cancel()
    if adding is not None:
        adding.cancel()
    return running in ended and running.cancelled()


async def test_it_ends_in_whatever_moment_it_is_cancelled(plane: DataPlane) -> None:
    assert [turns for turns in range(60) if not await cancelled_after(plane.redis_url, turns)] == []


async def test_it_ends_while_it_asks_for_a_channel(plane: DataPlane) -> None:
    left = [turns for turns in range(60) if not await cancelled_after(plane.redis_url, turns, channel="ticket:1")]
    assert left == []
