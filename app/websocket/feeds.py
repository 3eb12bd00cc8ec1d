"""What a channel's watchers are told: every number once, in order, whatever Redis loses.

A feed is one channel in this process. It stands at `position`; the message after it is passed on, an older one is
dropped, a later one means that some were lost, and those are read from the table. Whoever joins is held back until
the answer and the replay are on their way, then follows live from exactly there.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import ValidationError

from app.core.db import Database
from app.core.telemetry import get_logger
from app.websocket.redis_pubsub import RedisPubSub
from app.websocket.repository import DATABASE_AWAY, Message, NotificationRepository, from_redis

log = get_logger(__name__)

PAGE = 100
"""Rows read at once to fill a gap: few enough for healthy readers to take them before the next page."""

EARLY_LIMIT = 1000
"""Messages kept while a gap is filled; what comes beyond is in the table anyway."""

HELD_LIMIT = 1000
"""Messages that may arrive while one watcher is sent what it missed."""

GATHER_SECONDS = 0.02
RETRY_SECONDS = 0.5

GRACE_SECONDS = 0.5
"""Redis may be away for so long before anybody is told."""

POLL_SECONDS = 2.0
"""How often the table is asked while Redis is away."""


class Sink(Protocol):
    """Who watches: a socket."""

    def send(self, frame: str) -> None:
        """Never waits: a reader that lags too far is dropped."""

    async def send_patiently(self, frame: str) -> None:
        """Waits for room, for a replay that is longer than the queue."""

    def lag(self) -> None:
        """It has fallen too far behind: drop it."""


@dataclass(eq=False, slots=True)
class Subscription:
    """One watcher of one channel. `gap(seq)` is the frame that says: history up to `seq` is lost."""

    feed: "Feed"
    sink: Sink
    gap: Callable[[int], str]
    position: int = 0
    held: deque[Message] | None = field(default_factory=deque)

    def pass_on(self, message: Message) -> None:
        if self.held is not None:
            if len(self.held) >= HELD_LIMIT:
                self.sink.lag()
            else:
                self.held.append(message)
        elif message.seq > self.position:
            self.position = message.seq
            self.sink.send(message.frame)

    def tell_gap(self, seq: int) -> None:
        if self.held is None and seq > self.position:
            self.position = seq
            self.sink.send(self.gap(seq))

    async def go_live(self, missed: list[Message]) -> None:
        """Send what was missed, then what arrived meanwhile, then let live messages through."""
        for message in missed:
            await self.sink.send_patiently(message.frame)
        while self.held:
            message = self.held.popleft()
            if message.seq > self.position:
                self.position = message.seq
                await self.sink.send_patiently(message.frame)
        self.held = None

    def leave(self) -> None:
        self.feed.leave(self)


@dataclass(frozen=True, slots=True)
class Joined:
    """`seq` is where the subscription stands once `missed` is sent; `recovered` None when nothing was asked for."""

    subscription: Subscription
    seq: int
    recovered: bool | None
    missed: list[Message]


class Feed:
    def __init__(self, channel: str, fill: Callable[["Feed"], object], empty: Callable[["Feed"], None]) -> None:
        """`fill(feed)` is to read what the table has beyond `position`; `empty(feed)`: the last watcher has left."""
        self.channel = channel
        self.position = 0
        self.watchers: set[Subscription] = set()
        self.opening: asyncio.Task[None] | None = None
        self.confirming = True
        self.filling = True
        self._early: dict[int, Message] = {}
        self._fill = fill
        self._empty = empty

    def leave(self, subscription: Subscription) -> None:
        self.watchers.discard(subscription)
        if not self.watchers:
            self._empty(self)

    def receive(self, message: Message) -> None:
        if self.filling or message.seq > self.position + 1:
            if len(self._early) < EARLY_LIMIT:
                self._early[message.seq] = message
            self.fill()
        else:
            self.advance(message)

    def fill(self) -> None:
        if not self.filling:
            self.filling = True
            self._fill(self)

    def advance(self, message: Message) -> None:
        if message.seq <= self.position:
            return
        if message.seq > self.position + 1:
            # The table does not know what lies between: it was pruned.
            log.warning("notifications_lost", channel=self.channel, after=self.position, until=message.seq)
            for watcher in self.watchers:
                watcher.tell_gap(message.seq - 1)
        self.position = message.seq
        for watcher in self.watchers:
            watcher.pass_on(message)

    def filled(self) -> None:
        """The table has told everything it knew: go on with what arrived meanwhile."""
        self.filling = False
        early = sorted(self._early.items())
        self._early.clear()
        for _, message in early:
            self.advance(message)


class Feeds:
    """All channels that sockets of this process watch."""

    def __init__(
        self,
        db: Database,
        redis_url: str,
        *,
        prefix: str,
        replay_limit: int,
        degraded: Callable[[], None] = lambda: None,
        recovered: Callable[[], None] = lambda: None,
    ) -> None:
        """`degraded()`: Redis has been away for a moment; `recovered()`: it is back, and what was missed is sent."""
        self._db = db
        self._replay_limit = replay_limit
        self._feeds: dict[str, Feed] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._unsure: set[str] = set()
        self._told_degraded = False
        self._recovering: asyncio.Task[None] | None = None
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

    async def join(self, channel: str, sink: Sink, *, after: int | None, gap: Callable[[int], str]) -> Joined:
        """Watch a channel, held back until `go_live`. Raises DATABASE_AWAY: then there is no subscription."""
        feed = self._feeds.get(channel)
        if feed is None:
            feed = self._feeds[channel] = Feed(channel, lambda feed: self._spawn(self._fill(feed)), self._forget)
            feed.opening = self._spawn(self._open(feed))
        subscription = Subscription(feed, sink, gap)
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
        channel = subscription.feed.channel
        async with self._db.session() as db:
            history = NotificationRepository(db)
            # In this order: what comes between the two reads is among the rows, or held.
            newest = max((await history.newest([channel])).get(channel, 0), subscription.feed.position)
            missed = await history.after(channel, after, limit=self._replay_limit + 1)
        if missed and missed[0].seq == after + 1 and len(missed) <= self._replay_limit:
            subscription.position = missed[-1].seq
            return Joined(subscription, missed[-1].seq, True, missed)
        subscription.position = newest
        return Joined(subscription, newest, newest == after, [])

    async def _open(self, feed: Feed) -> None:
        try:
            await self.pubsub.add(feed.channel)
            feed.confirming = False
            async with self._db.session() as db:
                newest = await NotificationRepository(db).newest([feed.channel])
        except DATABASE_AWAY:
            # Whoever comes next tries anew.
            self._feeds.pop(feed.channel, None)
            self.pubsub.remove(feed.channel)
            raise
        feed.position = newest.get(feed.channel, 0)
        feed.opening = None
        feed.filled()

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
