"""One socket: what it is sent is queued, and a single task writes it, so that a slow reader delays nobody else."""

import asyncio
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect

from app.core.metrics import PUSHES

GONE = (WebSocketDisconnect, RuntimeError)
"""Raised by a send to a peer that has left; the server says RuntimeError while its own close is under way."""

CLOSE_SECONDS = 5.0


class Code:
    """Close codes: RFC 6455's and ours (4000–4999), part of the public contract."""

    INTERNAL_ERROR = 1011
    RESTARTING = 1012
    TRY_AGAIN = 1013
    TOO_BIG = 1009
    UNAUTHENTICATED = 4001
    TOO_SLOW = 4008
    TOO_MANY_MESSAGES = 4029


@dataclass(frozen=True, slots=True)
class Ending:
    """`flush`: what is queued still goes out before the close."""

    code: int
    reason: str
    flush: bool


class Subscribed(Protocol):
    """What a connection watches."""

    def leave(self) -> None:
        """Watch it no longer; a second time does no harm."""


class Connection:
    def __init__(self, socket: WebSocket, *, queue: int, patience: float) -> None:
        """`queue` messages may wait; a replay waits for room for `patience` seconds."""
        self.socket = socket
        self.subscriptions: dict[str, Subscribed] = {}
        self._limit = queue
        self._patience = patience
        self._queue: deque[str] = deque()
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()

    @property
    def ending(self) -> bool:
        return self._ending.done()

    def send(self, frame: str) -> None:
        if self.ending:
            return
        if len(self._queue) >= self._limit:
            self.lag()
            return
        self._queue.append(frame)
        self._wake.set()

    async def send_patiently(self, frame: str) -> None:
        if len(self._queue) >= self._limit and not self.ending:
            try:
                async with asyncio.timeout(self._patience):
                    while len(self._queue) >= self._limit and not self.ending:
                        self._room.clear()
                        await self._room.wait()
            except TimeoutError:
                self.lag()
        self.send(frame)

    def lag(self) -> None:
        self.end(Code.TOO_SLOW, "too slow a reader", flush=False)

    def end(self, code: int, reason: str, *, flush: bool = True) -> None:
        """Close soon; the first reason wins."""
        if not self.ending:
            self._ending.set_result(Ending(code, reason, flush))
            self._wake.set()
            self._room.set()

    async def run(self, reading: Coroutine[Any, Any, None]) -> None:
        """Until the peer leaves or `end` is called. What `reading` raises is raised here, after a close."""
        reader = asyncio.create_task(reading)
        writer = asyncio.create_task(self._write())
        try:
            await asyncio.wait((reader, writer, self._ending), return_when=asyncio.FIRST_COMPLETED)
            if reader.done() and not reader.cancelled() and reader.exception() is not None:
                self.end(Code.INTERNAL_ERROR, "internal error")
            if self.ending:
                await self._close(self._ending.result(), writer)
        finally:
            reader.cancel()
            writer.cancel()
            await asyncio.wait((reader, writer))
        for task in (reader, writer):
            if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, GONE):
                raise error

    async def _write(self) -> None:
        while self._queue or not self.ending:
            while self._queue:
                await self.socket.send_text(self._queue.popleft())
                PUSHES.inc()
                self._room.set()
            if not self.ending:
                self._wake.clear()
                await self._wake.wait()

    async def _close(self, ending: Ending, writer: "asyncio.Task[None]") -> None:
        if ending.flush:
            await asyncio.wait((writer,), timeout=CLOSE_SECONDS)
        writer.cancel()
        await asyncio.wait((writer,))
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.socket.close(ending.code, ending.reason)
        except (TimeoutError, *GONE):
            # It does not read, or has gone: the server drops the transport when we return.
            return
