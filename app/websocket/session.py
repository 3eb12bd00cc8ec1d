"""What is said on one connection: how much, by whom, and whether the login still stands."""

import asyncio
import contextlib
from collections import deque

from starlette.types import Message
from starlette.websockets import WebSocketDisconnect

from app.accounts.authentication import principal_from_token
from app.core.auth import Principal
from app.core.errors import Unauthenticated, Unavailable
from app.core.resources import Resources
from app.websocket.connection import Code, Connection
from app.websocket.message_router import BadMessage, MessageRouter, failure, parse
from app.websocket.messages import Authenticate, AuthenticationResponse
from app.websocket.payloads import AuthenticatedData
from app.websocket.repository import DATABASE_AWAY

MINUTE = 60.0


class Allowance:
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


def text_of(message: Message, connection: Connection, max_bytes: int) -> str | None:
    """None: there is nothing to read, and that was answered. Raises WebSocketDisconnect when the peer has left."""
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message["code"])
    text: str | None = message.get("text")
    if text is None:
        connection.send(failure("binary_not_supported", "Messages are JSON in text frames."))
        return None
    if len(text) > max_bytes or len(text.encode()) > max_bytes:
        connection.end(Code.TOO_BIG, "message too big")
        return None
    return text


class Session:
    def __init__(
        self, resources: Resources, router: MessageRouter, connection: Connection, who: Principal, token: str
    ) -> None:
        self._resources = resources
        self._options = resources.settings.websocket
        self._router = router
        self._connection = connection
        self._allowance = Allowance(self._options.messages_per_minute)
        self._who = who
        self._token = token

    async def follow(self) -> None:
        """Answers until the peer leaves or must go; asks now and then whether the login still stands."""
        loop = asyncio.get_running_loop()
        check_at = loop.time() + self._options.recheck_seconds
        while not self._connection.ending:
            if loop.time() >= check_at:
                check_at = loop.time() + self._options.recheck_seconds
                # While the database is away a login that stood a moment ago still stands.
                with contextlib.suppress(*DATABASE_AWAY):
                    await self._renew(self._token)
                continue
            try:
                async with asyncio.timeout_at(check_at):
                    message = await self._connection.socket.receive()
            except TimeoutError:
                continue
            text = text_of(message, self._connection, self._options.max_frame_bytes)
            if self.count() and text is not None:
                await self._answer(text)

    def count(self) -> bool:
        """One message more; False when it is one too many, and the connection is ending."""
        if self._allowance.take():
            return True
        self._connection.send(
            failure("rate_limited", f"At most {self._options.messages_per_minute} messages a minute.")
        )
        self._connection.end(Code.TOO_MANY_MESSAGES, "too many messages")
        return False

    def welcome(self, request: Authenticate) -> None:
        data = AuthenticatedData(username=self._who.username, role=self._who.role)
        self._connection.send(AuthenticationResponse(data=data, request_id=request.request_id).frame())

    async def _answer(self, text: str) -> None:
        try:
            request = parse(text)
        except BadMessage as bad:
            self._connection.send(bad.frame)
            return
        if not isinstance(request, Authenticate):
            await self._router.handle(self._connection, self._who, request)
            return
        try:
            renewed = await self._renew(request.data.token)
        except DATABASE_AWAY:
            self._connection.send(failure(Unavailable.code, Unavailable.detail, request_id=request.request_id))
            return
        if renewed:
            self.welcome(request)

    async def _renew(self, token: str) -> bool:
        """Ends the connection when the token is not good, or is another person's than before. Raises DATABASE_AWAY."""
        try:
            who = await principal_from_token(self._resources, token, "api")
        except Unauthenticated as refusal:
            self._connection.end(Code.UNAUTHENTICATED, refusal.detail)
            return False
        if who != self._who:
            # Which channels one may read depends on who one is: a changed role begins anew.
            self._connection.end(Code.UNAUTHENTICATED, "the account has changed")
            return False
        self._token = token
        return True
