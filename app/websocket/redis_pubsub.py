"""One Redis connection a process for all channels that its sockets watch.

Redis forgets its subscribers when it restarts and drops one that reads too slowly. So each loss is noticed, everything
wanted is subscribed again, and `confirmed` is told each channel from which messages now arrive: what was published
before that moment, the listener reads from the table.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import Any

from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from app.core.backoff import doubled, spread
from app.core.redis import Redis, RedisError, heed_cancellation
from app.core.telemetry import get_logger

log = get_logger(__name__)

ANCHOR = "ws:anchor"
"""Never published to. It keeps the connection in subscribed state when nobody watches anything."""

PING_SECONDS = 10.0
SILENCE_SECONDS = 25.0
"""A connection that does not even answer pings for so long is dead, whatever TCP believes."""

CONFIRM_SECONDS = 2.0
RETRY_SECONDS = 0.05
RETRY_MAX_SECONDS = 2.0
BATCH = 1000


class ConnectionSilent(ConnectionError):
    """Redis does not answer on a connection that looks open."""


class RedisPubSub:
    def __init__(
        self,
        url: str,
        *,
        prefix: str,
        received: Callable[[str, str], None],
        confirmed: Callable[[str], None],
        restored: Callable[[], None] = lambda: None,
    ) -> None:
        """`received(channel, payload)`, `confirmed(channel)` and, after a loss, `restored()` once every channel is
        confirmed again, are called on the event loop and must not wait. `lost` is set in between."""
        self._url = url
        self._prefix = prefix
        self._received = received
        self._confirmed = confirmed
        self._restored = restored
        self.lost = asyncio.Event()
        self._wanted: set[str] = set()
        self._asked: set[str] = set()
        self._live: set[str] = set()
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._changed = asyncio.Event()
        self._away = False
        self._heard = 0.0

    async def add(self, channel: str) -> bool:
        """True as soon as messages of the channel arrive; False when Redis is away: then `confirmed` will tell."""
        name = self._prefix + channel
        self._wanted.add(name)
        self._changed.set()
        if name in self._live:
            return True
        if self._away:
            return False
        waiting = self._waiting.setdefault(name, asyncio.get_running_loop().create_future())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CONFIRM_SECONDS):
                await asyncio.shield(waiting)
        return name in self._live

    def remove(self, channel: str) -> None:
        name = self._prefix + channel
        self._wanted.discard(name)
        self._release(name)
        self._changed.set()
        self._note_restored()

    async def run(self) -> None:
        """Until cancelled."""
        failures = 0
        while True:
            heed_cancellation()
            started = asyncio.get_running_loop().time()
            try:
                await self._session()
            except (RedisError, OSError) as error:
                if not self._away:
                    log.warning("redis_subscription_lost", error=type(error).__name__)
            finally:
                self._asked.clear()
                self._live.clear()
            self._away = True
            self.lost.set()
            for name in list(self._waiting):
                self._release(name)
            failures = 0 if asyncio.get_running_loop().time() - started > RETRY_MAX_SECONDS else failures + 1
            await asyncio.sleep(spread(doubled(failures + 1, first=RETRY_SECONDS, most=RETRY_MAX_SECONDS)))

    async def _session(self) -> None:
        """One connection, from its opening to its loss, which is always an exception: it must never heal silently."""
        client: Redis = Redis.from_url(
            self._url,
            decode_responses=True,
            socket_connect_timeout=2.0,
            socket_timeout=5.0,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 0),
            health_check_interval=0,
        )
        pubsub = client.pubsub()
        tasks: list[asyncio.Task[None]] = []
        try:
            await pubsub.subscribe(ANCHOR)
            heed_cancellation()
            self._heard = asyncio.get_running_loop().time()
            self._changed.set()
            # Not a TaskGroup: one that fails in the moment it is cancelled raises the failure and forgets the other.
            tasks += [asyncio.create_task(work) for work in (self._listen(pubsub), self._follow(pubsub))]
            tasks.append(asyncio.create_task(self._ping(pubsub)))
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(RedisError, OSError):
                await pubsub.aclose()  # type: ignore[no-untyped-call]
                await client.aclose()
        raise next(error for error in outcomes if isinstance(error, Exception))

    async def _listen(self, pubsub: PubSub) -> None:
        while True:
            heed_cancellation()
            message: dict[str, Any] | None = await pubsub.get_message(timeout=None)
            self._heard = asyncio.get_running_loop().time()
            if message is None:
                continue
            name: str = message["channel"] or ""
            if message["type"] == "message":
                self._received(name.removeprefix(self._prefix), message["data"])
            elif message["type"] == "subscribe":
                self._confirm(name)

    def _confirm(self, name: str) -> None:
        if name == ANCHOR:
            if self._away:
                log.info("redis_subscription_restored", channels=len(self._wanted))
            self._away = False
            self._live.add(name)
        elif name in self._asked:
            self._live.add(name)
            self._release(name)
            self._confirmed(name.removeprefix(self._prefix))
        self._note_restored()

    def _note_restored(self) -> None:
        # The count first: comparing sets for each of thousands of confirmations would cost their square.
        if not self.lost.is_set() or self._away or len(self._live) <= len(self._wanted):
            return
        if self._wanted <= self._live:
            self.lost.clear()
            self._restored()

    async def _follow(self, pubsub: PubSub) -> None:
        """Makes Redis's idea of what we watch equal to ours."""
        while True:
            heed_cancellation()
            await self._changed.wait()
            self._changed.clear()
            for names in _batches(self._asked - self._wanted):
                self._asked.difference_update(names)
                self._live.difference_update(names)
                await pubsub.unsubscribe(*names)
            for names in _batches(self._wanted - self._asked):
                self._asked.update(names)
                await pubsub.subscribe(*names)

    async def _ping(self, pubsub: PubSub) -> None:
        while True:
            heed_cancellation()
            await asyncio.sleep(PING_SECONDS)
            if asyncio.get_running_loop().time() - self._heard > SILENCE_SECONDS:
                raise ConnectionSilent
            await pubsub.ping()

    def _release(self, name: str) -> None:
        waiting = self._waiting.pop(name, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)


def _batches(names: Iterable[str]) -> Iterable[list[str]]:
    listed = list(names)
    return [listed[start : start + BATCH] for start in range(0, len(listed), BATCH)]
