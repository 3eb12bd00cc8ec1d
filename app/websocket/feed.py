"""One channel in this process, and those who watch it.

A feed stands at `position`; the message after it is passed on, an older one is dropped, a later one means that some
were lost, and those are read from the table. Whoever joins is held back until the answer and the replay are on their
way, then follows live from exactly there.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from app.core.telemetry import get_logger
from app.websocket.repository import Message

log = get_logger(__name__)

EARLY_LIMIT = 1000
"""Messages kept while a gap is filled; what comes beyond is in the table anyway."""

HELD_LIMIT = 1000
"""Messages that may arrive while one watcher is sent what it missed."""


class Sink(Protocol):
    """Who watches: a socket."""

    def send(self, frame: bytes) -> None:
        """Never waits: a reader that lags too far is dropped."""

    async def send_patiently(self, frame: bytes) -> None:
        """Waits for room, for a replay that is longer than the queue."""

    def lag(self) -> None:
        """It has fallen too far behind: drop it."""

    def over(self, channel: str) -> None:
        """There will be nothing more on the channel."""


@dataclass(eq=False, slots=True)
class Subscription:
    """One watcher of one channel."""

    feed: "Feed"
    sink: Sink
    position: int = 0
    held: list[Message] | None = field(default_factory=list)

    def pass_on(self, message: Message) -> None:
        if self.held is not None:
            if len(self.held) >= HELD_LIMIT:
                self.sink.lag()
            else:
                self.held.append(message)
        elif message.seq > self.position:
            self.position = message.seq
            self.sink.send(message.frame)
            if message.final:
                self.sink.over(self.feed.channel)

    def tell_gap(self, seq: int, frame: bytes) -> None:
        if self.held is None and seq > self.position:
            self.position = seq
            self.sink.send(frame)

    async def go_live(self, missed: list[Message]) -> None:
        """Send what was missed, then what arrived meanwhile, then let live messages through."""
        for message in missed:
            await self.sink.send_patiently(message.frame)
        final = False
        while self.held:
            message = self.held.pop(0)
            if message.seq > self.position:
                self.position = message.seq
                await self.sink.send_patiently(message.frame)
                final = message.final
        self.held = None
        if final:
            self.sink.over(self.feed.channel)

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
    def __init__(
        self,
        channel: str,
        *,
        fill: Callable[["Feed"], object],
        empty: Callable[["Feed"], None],
        gap: Callable[[str, int], bytes],
    ) -> None:
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
        self._gap = gap

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
            frame = self._gap(self.channel, message.seq - 1)
            for watcher in list(self.watchers):
                watcher.tell_gap(message.seq - 1, frame)
        self.position = message.seq
        # A copy: whoever has to be dropped leaves at once.
        for watcher in list(self.watchers):
            watcher.pass_on(message)

    def filled(self) -> None:
        """The table has told everything it knew: go on with what arrived meanwhile."""
        self.filling = False
        early = sorted(self._early.items())
        self._early.clear()
        for _, message in early:
            self.advance(message)
