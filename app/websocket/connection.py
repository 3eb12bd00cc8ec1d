"""One socket, as those who tell something see it: what it is sent goes out, waits a little, or ends it.

It has no task of its own. While the peer reads, a frame is written at once; while it does not, frames wait in a bounded
queue, and a reader that lets it fill is dropped, so that a slow reader delays nobody else.
"""

import asyncio
from collections import deque
from typing import Protocol

from app.core.metrics import PUSHES
from app.websocket.wire import SocketProtocol

CLOSE_SECONDS = 5.0
"""For what is queued to go out before a close."""


class Code:
    """Close codes: RFC 6455's and ours (4000–4999), part of the public contract."""

    INTERNAL_ERROR = 1011
    RESTARTING = 1012
    TRY_AGAIN = 1013
    TOO_BIG = 1009
    UNAUTHENTICATED = 4001
    TOO_SLOW = 4008
    TOO_MANY_MESSAGES = 4029
    TOO_MANY_CONNECTIONS = 4030


class Subscribed(Protocol):
    """What a connection watches."""

    def leave(self) -> None:
        """Watch it no longer; a second time does no harm."""


class Connection:
    __slots__ = ("__weakref__", "_last", "_limit", "_patience", "_queue", "_room", "ending", "socket", "subscriptions")

    def __init__(self, socket: SocketProtocol, *, queue: int, patience: float) -> None:
        """`queue` messages may wait; a replay waits for room for `patience` seconds."""
        self.socket = socket
        self.subscriptions: dict[str, Subscribed] = {}
        self.ending = False
        self._limit = queue
        self._last: tuple[int, str] | None = None
        self._patience = patience
        self._queue: deque[bytes] | None = None
        self._room: asyncio.Event | None = None

    def send(self, frame: bytes) -> None:
        if self.ending:
            return
        if not self.socket.paused:
            self.socket.write(frame)
            PUSHES.inc()
        elif len(self._waiting()) >= self._limit:
            self.lag()
        else:
            self._waiting().append(frame)

    async def send_patiently(self, frame: bytes) -> None:
        if self._full():
            try:
                async with asyncio.timeout(self._patience):
                    while self._full():
                        self._room = self._room or asyncio.Event()
                        self._room.clear()
                        await self._room.wait()
            except TimeoutError:
                self.lag()
        self.send(frame)

    def _full(self) -> bool:
        return self.socket.paused and len(self._waiting()) >= self._limit and not self.ending

    def lag(self) -> None:
        self.end(Code.TOO_SLOW, "too slow a reader", flush=False)

    def over(self, channel: str) -> None:
        """There will be nothing more on the channel."""

    def end(self, code: int, reason: str, *, flush: bool = True) -> None:
        """Close, after what is queued if `flush`; the first reason wins."""
        if self.ending:
            return
        self.ending = True
        if flush and self._queue:
            self._last = code, reason
            # A reader that takes none of it is not waited for.
            asyncio.get_running_loop().call_later(CLOSE_SECONDS, self.socket.close, code, reason)
        else:
            self._queue = None
            self.socket.close(code, reason)
        self.left()

    def left(self) -> None:
        """It is over, whoever ended it: leaves all that it watches."""
        self.ending = True
        if self._room is not None:
            self._room.set()
        for subscription in self.subscriptions.values():
            subscription.leave()
        self.subscriptions.clear()

    def check(self) -> None:
        """Called every so often: a peer that has not even answered the last ping is let go."""
        if self.ending:
            return
        if not self.socket.alive:
            self.end(Code.INTERNAL_ERROR, "no answer to pings", flush=False)
            return
        self.socket.alive = False
        self.socket.ping()

    # --- the wire's ----------------------------------------------------------------------------------------------

    def writable(self) -> None:
        while self._queue and not self.socket.paused:
            self.socket.write(self._queue.popleft())
            PUSHES.inc()
        if self._room is not None:
            self._room.set()
        if not self._queue:
            self._queue = None
            if self._last is not None:
                self.socket.close(*self._last)

    def gone(self) -> None:
        self._queue = None
        self.left()

    def restarting(self) -> None:
        self.end(Code.RESTARTING, "the server restarts", flush=False)

    def _waiting(self) -> "deque[bytes]":
        if self._queue is None:
            self._queue = deque()
        return self._queue
