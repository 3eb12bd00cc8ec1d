"""The sockets of this process: who is on them, how much they may send, and when they must go."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator

from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from app.accounts.authentication import principal_from_token
from app.core.auth import Principal
from app.core.errors import Unauthenticated
from app.core.metrics import PUSHES, SOCKETS
from app.core.resources import NotConfigured, Resources
from app.core.telemetry import continued, get_logger
from app.outbox.deliveries import REDIS_PREFIX
from app.websocket.connection import Code, Connection
from app.websocket.feeds import Feeds
from app.websocket.message_router import BadMessage, MessageRouter, failure, parse
from app.websocket.messages import Authenticate, AuthenticatedData, AuthenticationResponse
from app.websocket.repository import DATABASE_AWAY

log = get_logger(__name__)

MINUTE = 60.0
SHUTDOWN_SECONDS = 5.0
PATIENCE_SECONDS = 20.0
"""How long a replay waits for a reader to take something."""


class _Allowance:
    """At most so many messages in any minute."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._times: deque[float] = deque()

    def take(self) -> bool:
        at = asyncio.get_running_loop().time()
        while self._times and self._times[0] <= at - MINUTE:
            self._times.popleft()
        if len(self._times) >= self._per_minute:
            return False
        self._times.append(at)
        return True


class ConnectionManager:
    def __init__(self, resources: Resources, feeds: Feeds) -> None:
        self._resources = resources
        self._options = resources.settings.websocket
        self._feeds = feeds
        self._router = MessageRouter(resources, feeds)
        self._connections: set[Connection] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def active_connections(self) -> int:
        return len(self._connections)

    @property
    def feeds(self) -> Feeds:
        return self._feeds

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
                self._feeds.leave(subscription)
            PUSHES.inc(connection.sent)
            SOCKETS.dec()
            self._connections.discard(connection)
            if not self._connections:
                self._empty.set()

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

    async def _enter(self, connection: Connection, token: str | None) -> "_Session | None":
        """None: refused, and the connection is ending."""
        session = _Session(self._resources, self._router, connection)
        if token is not None:
            return session if await session.authenticate(token) else None
        try:
            async with asyncio.timeout(self._options.auth_seconds):
                message = await connection.socket.receive()
        except TimeoutError:
            connection.end(Code.UNAUTHENTICATED, "no token came in time")
            return None
        if not await session.first(message):
            return None
        return session


class _Session:
    """What is said on one connection."""

    def __init__(self, resources: Resources, router: MessageRouter, connection: Connection) -> None:
        self._resources = resources
        self._options = resources.settings.websocket
        self._router = router
        self._connection = connection
        self._allowance = _Allowance(self._options.messages_per_minute)
        self._token = ""
        self._who: Principal | None = None

    async def authenticate(self, token: str) -> bool:
        """Ends the connection when the token is not good, or is another person's than before."""
        try:
            who = await principal_from_token(self._resources, token, "api")
        except Unauthenticated as refusal:
            self._connection.end(Code.UNAUTHENTICATED, refusal.detail)
            return False
        except DATABASE_AWAY:
            if self._who is not None:
                # Known a moment ago; asked again at the next check.
                return True
            self._connection.end(Code.TRY_AGAIN, "try again shortly")
            return False
        if self._who is not None and who != self._who:
            # Which channels one may read depends on who one is: a changed role begins anew.
            self._connection.end(Code.UNAUTHENTICATED, "the account has changed")
            return False
        self._who, self._token = who, token
        return True

    async def first(self, message: Message) -> bool:
        text = self._text(message)
        try:
            request = None if text is None else parse(text)
        except BadMessage as bad:
            self._connection.send(bad.frame)
            request = None
        if isinstance(request, Authenticate):
            self._allowance.take()
            return await self._welcome(request)
        self._connection.end(Code.UNAUTHENTICATED, "the first message must be 'authenticate'")
        return False

    async def follow(self) -> None:
        """Answers messages until the peer leaves or must go; asks now and then whether the login still stands."""
        loop = asyncio.get_running_loop()
        check_at = loop.time() + self._options.recheck_seconds
        while not self._connection.ending:
            if loop.time() >= check_at:
                check_at = loop.time() + self._options.recheck_seconds
                if not await self.authenticate(self._token):
                    return
            try:
                async with asyncio.timeout_at(check_at):
                    message = await self._connection.socket.receive()
            except TimeoutError:
                continue
            await self._answer(message)

    async def _answer(self, message: Message) -> None:
        text = self._text(message)
        if not self._allowance.take():
            limit = self._options.messages_per_minute
            self._connection.send(failure("rate_limited", f"At most {limit} messages a minute."))
            self._connection.end(Code.TOO_MANY_MESSAGES, "too many messages")
            return
        if text is None:
            return
        try:
            request = parse(text)
        except BadMessage as bad:
            self._connection.send(bad.frame)
            return
        if isinstance(request, Authenticate):
            await self._welcome(request)
        elif self._who is not None:
            await self._router.handle(self._connection, self._who, request)

    async def _welcome(self, request: Authenticate) -> bool:
        if not await self.authenticate(request.data.token) or self._who is None:
            return False
        data = AuthenticatedData(username=self._who.username, role=self._who.role)
        self._connection.send(AuthenticationResponse(data=data, request_id=request.request_id).frame())
        return True

    def _text(self, message: Message) -> str | None:
        """None: there is nothing to read, and that is answered. Raises WebSocketDisconnect when the peer has left."""
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message["code"])
        text: str | None = message.get("text")
        if text is None:
            self._connection.send(failure("binary_not_supported", "Messages are JSON in text frames."))
        elif len(text) > self._options.max_frame_bytes:
            self._connection.end(Code.TOO_BIG, "message too big")
            return None
        return text


@contextlib.asynccontextmanager
async def open_manager(resources: Resources) -> AsyncIterator[ConnectionManager]:
    """With its one Redis connection, for as long as the process serves. At the end all sockets are closed."""
    redis_url = resources.settings.redis_url
    if redis_url is None:
        raise NotConfigured("Set REDIS_URL, or start everything with 'evidesk up'.")
    feeds = Feeds(
        resources.db,
        redis_url.get_secret_value(),
        prefix=REDIS_PREFIX,
        replay_limit=resources.settings.websocket.replay_limit,
    )
    manager = ConnectionManager(resources, feeds)
    listening = asyncio.create_task(feeds.run())
    try:
        yield manager
    finally:
        await manager.shutdown()
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening
