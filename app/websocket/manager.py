"""The sockets of this process: who comes in, and that all of them end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from starlette.websockets import WebSocket, WebSocketDisconnect

from app.accounts.authentication import principal_from_token
from app.core.errors import Unauthenticated
from app.core.metrics import SOCKETS
from app.core.resources import NotConfigured, Resources
from app.core.telemetry import continued, get_logger
from app.outbox.deliveries import REDIS_PREFIX
from app.websocket.connection import Code, Connection
from app.websocket.feeds import POLL_SECONDS, Feeds
from app.websocket.message_router import BadMessage, MessageRouter, parse
from app.websocket.messages import Authenticate, Degraded, Recovered
from app.websocket.payloads import DegradedData
from app.websocket.presence import Presence
from app.websocket.repository import DATABASE_AWAY
from app.websocket.session import Session, text_of

log = get_logger(__name__)

SHUTDOWN_SECONDS = 5.0
PATIENCE_SECONDS = 20.0
"""How long a replay waits for a reader to take something."""


class ConnectionManager:
    def __init__(self, resources: Resources, redis_url: str) -> None:
        self.feeds = Feeds(
            resources.db,
            redis_url,
            prefix=REDIS_PREFIX,
            replay_limit=resources.settings.websocket.replay_limit,
            degraded=lambda: self._tell_all(_degraded()),
            recovered=lambda: self._tell_all(Recovered().frame()),
        )
        self.presence = Presence(resources.redis, redis_url)
        self._resources = resources
        self._options = resources.settings.websocket
        self._router = MessageRouter(resources, self.feeds, self.presence)
        self._connections: set[Connection] = set()
        self._entered: set[Connection] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def active_connections(self) -> int:
        return len(self._connections)

    async def serve(self, socket: WebSocket, token: str | None) -> None:
        """From the accepted socket to its end. `token` None: the first message brings it."""
        connection = Connection(socket, queue=self._options.send_queue, patience=PATIENCE_SECONDS)
        self._connections.add(connection)
        self._empty.clear()
        SOCKETS.inc()
        try:
            with continued({}):
                await connection.run(self._read(connection, token))
        finally:
            for subscription in connection.subscriptions.values():
                subscription.leave()
            SOCKETS.dec()
            self._entered.discard(connection)
            self._connections.discard(connection)
            if not self._connections:
                self._empty.set()

    async def run(self) -> None:
        """Until cancelled."""
        working = [asyncio.create_task(work) for work in (self.feeds.run(), self.presence.run())]
        try:
            await asyncio.gather(*working)
        finally:
            for task in working:
                task.cancel()
            await asyncio.wait(working)

    def _tell_all(self, frame: str) -> None:
        for connection in self._entered:
            connection.send(frame)

    async def shutdown(self) -> None:
        for connection in self._connections:
            connection.end(Code.RESTARTING, "the server restarts", flush=False)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SHUTDOWN_SECONDS):
                await self._empty.wait()

    async def _read(self, connection: Connection, token: str | None) -> None:
        with contextlib.suppress(WebSocketDisconnect):
            session = await self._enter(connection, token)
            if session is not None:
                await session.follow()

    async def _enter(self, connection: Connection, token: str | None) -> Session | None:
        """None: refused, and the connection is ending."""
        request: Authenticate | None = None
        if token is None:
            request = await self._first(connection)
            if request is None:
                return None
            token = request.data.token
        try:
            who = await principal_from_token(self._resources, token, "api")
        except Unauthenticated as refusal:
            connection.end(Code.UNAUTHENTICATED, refusal.detail)
            return None
        except DATABASE_AWAY as error:
            log.warning("database_away", error=type(error).__name__)
            connection.end(Code.TRY_AGAIN, "try again shortly")
            return None
        session = Session(self._resources, self._router, connection, who, token)
        if request is not None:
            session.count()
            session.welcome(request)
        self._entered.add(connection)
        if self.feeds.degraded:
            connection.send(_degraded())
        return session

    async def _first(self, connection: Connection) -> Authenticate | None:
        try:
            async with asyncio.timeout(self._options.auth_seconds):
                message = await connection.socket.receive()
        except TimeoutError:
            connection.end(Code.UNAUTHENTICATED, "no token came in time")
            return None
        text = text_of(message, connection, self._options.max_frame_bytes)
        try:
            request = None if text is None else parse(text)
        except BadMessage as bad:
            connection.send(bad.frame)
            request = None
        if isinstance(request, Authenticate):
            return request
        connection.end(Code.UNAUTHENTICATED, "the first message must be 'authenticate'")
        return None


def _degraded() -> str:
    return Degraded(data=DegradedData(retry_seconds=POLL_SECONDS)).frame()


@contextlib.asynccontextmanager
async def open_manager(resources: Resources) -> AsyncIterator[ConnectionManager]:
    """With its one Redis connection, for as long as the process serves. At the end all sockets are closed."""
    redis_url = resources.settings.redis_url
    if redis_url is None:
        raise NotConfigured("Set REDIS_URL, or start everything with 'evidesk up'.")
    manager = ConnectionManager(resources, redis_url.get_secret_value())
    listening = asyncio.create_task(manager.run())
    try:
        yield manager
    finally:
        await manager.shutdown()
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening
