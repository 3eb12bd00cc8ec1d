"""What is said on one connection: by whom, how much, and whether the login still stands.

A message is worked on by a task of its own, and nothing more is read meanwhile: so messages are answered in their
order, and a connection on which nothing is said costs no task.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol
from uuid import UUID

from app.core.auth import Claims, Principal
from app.core.errors import Unauthenticated, Unavailable
from app.core.resources import Resources
from app.core.telemetry import continued, get_logger
from app.websocket.access import missing
from app.websocket.channels import presence_channel, subject
from app.websocket.connection import Code, Connection
from app.websocket.gather import Gather
from app.websocket.message_router import BadMessage, MessageRouter, failure, parse, refusal
from app.websocket.messages import AuthenticationResponse
from app.websocket.payloads import AuthenticatedData
from app.websocket.repository import DATABASE_AWAY
from app.websocket.requests import Authenticate, ChannelRequest
from app.websocket.wire import SocketProtocol

log = get_logger(__name__)

MINUTE = 60.0


class Host(Protocol):
    """What all sessions of a process share."""

    resources: Resources
    router: MessageRouter
    logins: Gather[UUID, Principal | None]

    def entered(self, session: "Session", who: Principal) -> bool:
        """False: the person has as many connections as they may."""

    def left(self, session: "Session") -> None:
        """Also one that never entered; a second time does no harm."""


class Session(Connection):
    __slots__ = ("_deadline", "_host", "_task", "_times", "claims", "portion", "who")

    def __init__(self, socket: SocketProtocol, host: Host, *, patience: float, portion: int) -> None:
        """`portion`: of all connections, the one that it is pinged with."""
        super().__init__(socket, queue=host.resources.settings.websocket.send_queue, patience=patience)
        self._host = host
        self.portion = portion
        self._task: asyncio.Task[None] | None = None
        self._times: list[float] = []
        self._deadline: asyncio.TimerHandle | None = None
        self.who: Principal | None = None
        self.claims: Claims | None = None

    @property
    def family(self) -> UUID | None:
        """The login that the token came from."""
        return UUID(self.claims.family) if self.claims is not None and self.claims.family else None

    def open(self, token: str | None) -> None:
        """`token` None: the first message brings it."""
        if token is not None:
            self._work(self._enter(token, None))
            return
        seconds = self._options.auth_seconds
        self._deadline = asyncio.get_running_loop().call_later(
            seconds, self.end, Code.UNAUTHENTICATED, "no token came in time"
        )

    def heard(self, text: str | None) -> None:
        if self.who is None:
            self._hear_first(text)
        elif self._count() and (request := self._parsed(text)) is not None:
            self._work(self._renew(request) if isinstance(request, Authenticate) else self._answer(self.who, request))

    def lose(self, channel: str) -> None:
        """What was watched may not be watched any more, or is no more: said as a refusal would be."""
        subscription = self.subscriptions.pop(channel, None)
        if subscription is not None:
            subscription.leave()
            about = subject(channel)
            self.send(refusal(channel.partition(":")[0], missing(about), about))

    def over(self, channel: str) -> None:
        self.lose(channel)
        about = subject(channel)
        if about.ticket_id is not None:
            self.lose(presence_channel(about.ticket_id))

    def judge(self, who: Principal | None, at: float) -> None:
        """Whether the login still stands, at `at` in seconds since 1970; `who` is whom it belongs to, as of now."""
        if who is None or self.claims is None or self.claims.expires_at <= at:
            self.end(Code.UNAUTHENTICATED, "The login has ended.")
        elif who != self.who:
            # Which channels one may read depends on who one is: a changed role begins anew.
            self.end(Code.UNAUTHENTICATED, "the account has changed")

    def left(self) -> None:
        super().left()
        if self._deadline is not None:
            self._deadline.cancel()
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
        self._host.left(self)

    # --- coming in -----------------------------------------------------------------------------------------------

    def _hear_first(self, text: str | None) -> None:
        request = self._parsed(text)
        if isinstance(request, Authenticate):
            self._count()
            self._work(self._enter(request.data.token, request))
        else:
            self.end(Code.UNAUTHENTICATED, "the first message must be 'authenticate'")

    async def _enter(self, token: str, request: Authenticate | None) -> None:
        try:
            claims, who = await self._identify(token)
        except Unauthenticated as problem:
            self.end(Code.UNAUTHENTICATED, problem.detail)
            return
        except DATABASE_AWAY as error:
            log.warning("database_away", error=type(error).__name__)
            self.end(Code.TRY_AGAIN, "try again shortly")
            return
        if self.ending:
            return
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self.claims, self.who = claims, who
        if request is not None:
            self._welcome(who, request)
        if not self._host.entered(self, who):
            self.end(Code.TOO_MANY_CONNECTIONS, "too many connections of this person")

    async def _identify(self, token: str) -> tuple[Claims, Principal]:
        """Raises Unauthenticated, DATABASE_AWAY."""
        claims = self._host.resources.signer.read(token, audience="api")
        if claims.family is None:
            raise Unauthenticated
        who = await self._host.logins.get(UUID(claims.family))
        if who is None or who.user_id != claims.user_id:
            raise Unauthenticated("The login has ended.")
        return claims, who

    async def _renew(self, request: Authenticate) -> None:
        try:
            claims, who = await self._identify(request.data.token)
        except Unauthenticated as problem:
            self.end(Code.UNAUTHENTICATED, problem.detail)
            return
        except DATABASE_AWAY:
            self.send(failure(Unavailable.code, Unavailable.detail, request_id=request.request_id))
            return
        if who != self.who:
            self.end(Code.UNAUTHENTICATED, "the account has changed")
            return
        self.claims = claims
        self._welcome(who, request)

    def _welcome(self, who: Principal, request: Authenticate) -> None:
        data = AuthenticatedData(username=who.username, role=who.role)
        self.send(AuthenticationResponse(data=data, request_id=request.request_id).frame())

    # --- what is said --------------------------------------------------------------------------------------------

    @property
    def _options(self) -> Any:
        return self._host.resources.settings.websocket

    def _count(self) -> bool:
        """One message more; False when it is one too many in any minute, and the connection is ending."""
        at = asyncio.get_running_loop().time()
        most: int = self._options.messages_per_minute
        if self._times and self._times[0] <= at - MINUTE:
            self._times = [time for time in self._times if time > at - MINUTE]
        if len(self._times) < most:
            self._times.append(at)
            return True
        self.send(failure("rate_limited", f"At most {most} messages a minute."))
        self.end(Code.TOO_MANY_MESSAGES, "too many messages")
        return False

    def _parsed(self, text: str | None) -> Authenticate | ChannelRequest | None:
        """None: there is nothing to work on, and that was answered."""
        most: int = self._options.max_frame_bytes
        if text is None:
            self.send(failure("binary_not_supported", "Messages are JSON in text frames."))
        elif len(text) > most or len(text.encode()) > most:
            self.end(Code.TOO_BIG, "message too big")
        else:
            try:
                return parse(text)
            except BadMessage as bad:
                self.send(bad.frame)
        return None

    async def _answer(self, who: Principal, request: ChannelRequest) -> None:
        await self._host.router.handle(self, who, request)

    def _work(self, doing: Coroutine[Any, Any, None]) -> None:
        self.socket.busy = True
        with continued({}):
            self._task = asyncio.create_task(doing)
        self._task.add_done_callback(self._worked)

    def _worked(self, task: "asyncio.Task[None]") -> None:
        self._task = None
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("unhandled", error=type(error).__name__, exc_info=error)
        if error is not None or task.cancelled():
            self.end(Code.INTERNAL_ERROR, "internal error")
        if not self.ending:
            self.socket.go_on()
