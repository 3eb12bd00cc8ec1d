"""All channels that sockets of this process watch: every number once, in order, whatever Redis loses.

What is asked of the table is gathered: ten thousand sockets that come back at once ask a few dozen questions.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from pydantic import ValidationError

from app.core.db import Database
from app.core.telemetry import get_logger
from app.websocket.feed import Feed, Joined, Sink, Subscription
from app.websocket.gather import Gather
from app.websocket.redis_pubsub import RedisPubSub
from app.websocket.repository import DATABASE_AWAY, History, NotificationRepository, from_redis

log = get_logger(__name__)

PAGE = 100
"""Rows read at once to fill a gap: few enough for healthy readers to take them before the next page."""

GATHER_SECONDS = 0.02
RETRY_SECONDS = 0.5

GRACE_SECONDS = 0.5
"""Redis may be away for so long before anybody is told."""

POLL_SECONDS = 2.0
"""How often the table is asked while Redis is away."""


class Feeds:
    """All channels that sockets of this process watch."""

    def __init__(
        self,
        db: Database,
        redis_url: str,
        *,
        prefix: str,
        replay_limit: int,
        gap: Callable[[str, int], bytes],
        degraded: Callable[[], None] = lambda: None,
        recovered: Callable[[], None] = lambda: None,
    ) -> None:
        """`gap(channel, seq)` is the frame that says: history up to `seq` is lost.
        `degraded()`: Redis has been away for a moment; `recovered()`: it is back, and what was missed is sent."""
        self._db = db
        self._replay_limit = replay_limit
        self._feeds: dict[str, Feed] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._unsure: set[str] = set()
        self._told_degraded = False
        self._recovering: asyncio.Task[None] | None = None
        self._gap = gap
        self._histories = Gather(self._read_histories)
        self._positions = Gather(self._read_positions)
        self._degraded = degraded
        self._recovered = recovered
        self.pubsub = RedisPubSub(
            redis_url, prefix=prefix, received=self._received, confirmed=self._confirmed, restored=self._restored
        )

    def __len__(self) -> int:
        """How many channels are watched."""
        return len(self._feeds)

    async def run(self) -> None:
        """Until cancelled."""
        watching = asyncio.create_task(self._watch_redis())
        try:
            await self.pubsub.run()
        finally:
            for task in (watching, *self._tasks):
                task.cancel()
            await asyncio.gather(watching, *self._tasks, return_exceptions=True)
            await self._histories.settled()
            await self._positions.settled()

    @property
    def degraded(self) -> bool:
        """Watchers have been told so, and not yet that it is over."""
        return self._told_degraded

    async def _watch_redis(self) -> None:
        """While Redis is away the table is asked instead, so that messages come late and not only afterwards."""
        while True:
            await self.pubsub.lost.wait()
            await asyncio.sleep(GRACE_SECONDS)
            while self.pubsub.lost.is_set():
                if not self._told_degraded:
                    self._told_degraded = True
                    self._degraded()
                self._unsure.update(name for name, feed in self._feeds.items() if not feed.confirming)
                await self._catch_up(0.0)
                await asyncio.sleep(POLL_SECONDS)

    def _restored(self) -> None:
        """All channels are live again; what was missed is being looked for."""
        if self._told_degraded and self._recovering is None:
            self._recovering = self._spawn(self._recover())

    async def _recover(self) -> None:
        while others := self._tasks - {asyncio.current_task()}:
            await asyncio.wait(others)
        self._recovering = None
        if self._told_degraded and not self.pubsub.lost.is_set():
            self._told_degraded = False
            self._recovered()

    async def join(self, channel: str, sink: Sink, *, after: int | None) -> Joined:
        """Watch a channel, held back until `go_live`. Raises DATABASE_AWAY: then there is no subscription."""
        feed = self._feeds.get(channel)
        if feed is None:
            feed = self._feeds[channel] = Feed(
                channel, fill=lambda feed: self._spawn(self._fill(feed)), empty=self._forget, gap=self._gap
            )
            feed.opening = self._spawn(self._open(feed))
        subscription = Subscription(feed, sink)
        feed.watchers.add(subscription)
        try:
            if feed.opening is not None:
                await asyncio.shield(feed.opening)
            # From here on nothing is missed: what is published is held, what was published before is in the table.
            if after is None:
                subscription.position = feed.position
                return Joined(subscription, feed.position, None, [])
            return await self._replay(subscription, after)
        except BaseException:
            subscription.leave()
            raise

    def _forget(self, feed: Feed) -> None:
        if self._feeds.get(feed.channel) is feed:
            del self._feeds[feed.channel]
            self.pubsub.remove(feed.channel)

    async def _replay(self, subscription: Subscription, after: int) -> Joined:
        channel, stood = subscription.feed.channel, subscription.feed.position
        history = await self._histories.get((channel, after))
        # `stood` counts where the table was pruned; what the feed has passed on since then is held.
        newest, missed = max(history.newest, stood), history.missed
        if missed and missed[0].seq == after + 1 and len(missed) <= self._replay_limit:
            subscription.position = missed[-1].seq
            return Joined(subscription, missed[-1].seq, True, missed)
        subscription.position = newest
        return Joined(subscription, newest, newest == after, [])

    async def _open(self, feed: Feed) -> None:
        try:
            await self.pubsub.add(feed.channel)
            feed.confirming = False
            position = await self._positions.get(feed.channel)
        except DATABASE_AWAY:
            # Whoever comes next tries anew.
            self._forget(feed)
            raise
        feed.position = position
        feed.opening = None
        feed.filled()

    async def _read_histories(self, asked: list[tuple[str, int]]) -> dict[tuple[str, int], History]:
        async with self._db.session() as db:
            return await NotificationRepository(db).histories(asked, limit=self._replay_limit + 1)

    async def _read_positions(self, channels: list[str]) -> dict[str, int]:
        async with self._db.session() as db:
            newest = await NotificationRepository(db).newest(channels)
        return {channel: newest.get(channel, 0) for channel in channels}

    def _received(self, channel: str, payload: str) -> None:
        feed = self._feeds.get(channel)
        if feed is None:
            return
        try:
            feed.receive(from_redis(payload))
        except ValidationError:
            log.warning("notification_unreadable", channel=channel)

    def _confirmed(self, channel: str) -> None:
        """Messages arrive from now on. Unless the feed has yet to read where it stands, look for what was missed."""
        feed = self._feeds.get(channel)
        if feed is None or feed.confirming:
            return
        if not self._unsure:
            self._spawn(self._catch_up())
        self._unsure.add(channel)

    async def _catch_up(self, gather_seconds: float = GATHER_SECONDS) -> None:
        # After a restart of Redis all channels are confirmed at once: ask about them together.
        await asyncio.sleep(gather_seconds)
        channels = list(self._unsure)
        self._unsure.clear()
        while True:
            try:
                async with self._db.session() as db:
                    newest = await NotificationRepository(db).newest(channels)
                break
            except DATABASE_AWAY:
                await asyncio.sleep(RETRY_SECONDS)
        for channel, seq in newest.items():
            feed = self._feeds.get(channel)
            if feed is None:
                continue
            if feed.opening is not None:
                await asyncio.wait([feed.opening])
            if seq > feed.position:
                feed.fill()

    async def _fill(self, feed: Feed) -> None:
        while self._feeds.get(feed.channel) is feed:
            try:
                async with self._db.session() as db:
                    rows = await NotificationRepository(db).after(feed.channel, feed.position, limit=PAGE)
            except DATABASE_AWAY:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            for row in rows:
                feed.advance(row)
            if len(rows) < PAGE:
                feed.filled()
                return
            # The sockets' writers take their turn before the next page.
            await asyncio.sleep(0)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and not isinstance(error, DATABASE_AWAY):
            log.error("feed_failed", error=type(error).__name__, exc_info=error)
