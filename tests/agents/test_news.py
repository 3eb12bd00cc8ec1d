"""News of a run, from a Redis that leaves in the middle of it."""

import time
from typing import Any, cast

from redis.asyncio.client import PubSub
from redis.exceptions import ConnectionError as RedisConnectionError

from app.agents.service.waiting import _News


class LeavingPubSub:
    """Subscribes, then is gone."""

    def __init__(self) -> None:
        self.subscriptions = 0

    async def subscribe(self, *_names: str) -> None:
        self.subscriptions += 1

    async def get_message(self, **_options: Any) -> None:
        raise RedisConnectionError

    async def aclose(self) -> None:
        raise RedisConnectionError


async def test_who_hears_nothing_more_waits_a_little_and_listens_again() -> None:
    gone = LeavingPubSub()
    news = _News(cast("PubSub", gone), "ws:run:1")
    await news.listen()
    await news.listen()
    started = time.monotonic()
    await news.pause(0.05)
    assert time.monotonic() - started >= 0.04
    await news.listen()
    await news.close()
    assert gone.subscriptions == 2
