"""The sockets of this process: who comes in, who must go, and that all of them end."""

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from uuid import UUID

from app.accounts.principals import forget, principals_of_logins
from app.core.auth import Principal
from app.core.metrics import SOCKETS
from app.core.resources import NotConfigured, Resources
from app.core.telemetry import get_logger
from app.outbox.deliveries import REDIS_PREFIX
from app.websocket.access import Access
from app.websocket.channels import ACCOUNTS, Subject, subject
from app.websocket.connection import Code
from app.websocket.feeds import POLL_SECONDS, Feeds
from app.websocket.frames import text_of_frame
from app.websocket.gather import Gather
from app.websocket.message_router import MessageRouter
from app.websocket.messages import Degraded, Recovered
from app.websocket.payloads import DegradedData
from app.websocket.presence import Presence
from app.websocket.protocols.base_protocol import gap_frame
from app.websocket.repository import DATABASE_AWAY
from app.websocket.session import Session
from app.websocket.wire import SocketProtocol

log = get_logger(__name__)

SHUTDOWN_SECONDS = 5.0
PATIENCE_SECONDS = 20.0
"""How long a replay waits for a reader to take something."""

RETRY_SECONDS = 1.0
CHECKED_AT_ONCE = 1000
SLICES = 10
"""Pings go out in so many portions, that ten thousand of them hold nothing up."""


class ConnectionManager:
    def __init__(self, resources: Resources, redis_url: str) -> None:
        self.resources = resources
        self.feeds = Feeds(
            resources.db,
            redis_url,
            prefix=REDIS_PREFIX,
            replay_limit=resources.settings.websocket.replay_limit,
            gap=lambda channel, seq: b"" if channel == ACCOUNTS else gap_frame(channel, seq),
            degraded=lambda: self._tell_all(_degraded()),
            recovered=lambda: self._tell_all(Recovered().frame()),
        )
        self.presence = Presence(resources.redis, redis_url)
        self.logins: Gather[UUID, Principal | None] = Gather(self._read_logins)
        self._access = Access(resources)
        self.router = MessageRouter(resources, self.feeds, self.presence, self._access)
        self._options = resources.settings.websocket
        self._connections: set[Session] = set()
        self._people: Counter[int] = Counter()
        self._taken = 0
        self._checks: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def active_connections(self) -> int:
        return len(self._connections)

    def take(self, socket: SocketProtocol, token: str | None) -> None:
        """From the accepted socket on. `token` None: the first message brings it."""
        self._taken += 1
        session = Session(socket, self, patience=PATIENCE_SECONDS, portion=self._taken % SLICES)
        socket.take(session)
        if len(self._connections) >= self._options.max_connections:
            session.end(Code.TRY_AGAIN, "this process serves as many as it may")
            return
        self._connections.add(session)
        self._empty.clear()
        SOCKETS.inc()
        session.open(token)

    def entered(self, session: Session, who: Principal) -> bool:
        self._people[who.user_id] += 1
        if self.feeds.degraded:
            session.send(_degraded())
        return self._people[who.user_id] <= self._options.max_per_person

    def left(self, session: Session) -> None:
        if session not in self._connections:
            return
        self._connections.discard(session)
        SOCKETS.dec()
        if session.who is not None:
            self._people[session.who.user_id] -= 1
            if not self._people[session.who.user_id]:
                del self._people[session.who.user_id]
        if not self._connections:
            self._empty.set()

    async def run(self) -> None:
        """Until cancelled."""
        parts = (self.feeds.run(), self.presence.run(), self._keep_alive(), self._keep_checking(), self._follow())
        working = [asyncio.create_task(part) for part in parts]
        try:
            # Not gather, which would cancel them a second time, in the middle of closing what they hold.
            done, _ = await asyncio.wait(working, return_when=asyncio.FIRST_COMPLETED)
            done.pop().result()
        finally:
            for task in (*working, *self._checks):
                task.cancel()
            await asyncio.wait((*working, *self._checks))
            await self.logins.settled()
            await self._access.settled()

    async def shutdown(self) -> None:
        for session in list(self._connections):
            session.end(Code.RESTARTING, "the server restarts", flush=False)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SHUTDOWN_SECONDS):
                await self._empty.wait()

    def _tell_all(self, frame: bytes) -> None:
        for session in list(self._connections):
            if session.who is not None:
                session.send(frame)

    # --- whether they are still there, and still who they were ---------------------------------------------------

    async def _keep_alive(self) -> None:
        while True:
            for portion in range(SLICES):
                # By a number of its own, not by its place: each has a whole round to answer, whoever comes or goes.
                for session in [one for one in self._connections if one.portion == portion]:
                    session.check()
                await asyncio.sleep(self._options.ping_seconds / SLICES)

    async def _keep_checking(self) -> None:
        while True:
            await asyncio.sleep(self._options.recheck_seconds)
            # While the database is away a login that stood a moment ago still stands.
            with contextlib.suppress(*DATABASE_AWAY):
                await self._check(list(self._connections))

    async def _check(self, sessions: Sequence[Session]) -> None:
        """Ends those whose login has ended, takes away what may no longer be watched. Raises DATABASE_AWAY."""
        for start in range(0, len(sessions), CHECKED_AT_ONCE):
            some = [session for session in sessions[start : start + CHECKED_AT_ONCE] if session.family is not None]
            logins = await self._read_logins({session.family for session in some if session.family is not None})
            for session in some:
                session.judge(logins.get(session.family) if session.family else None, time.time())
            await self._check_subscriptions(some)

    async def _check_subscriptions(self, sessions: Sequence[Session]) -> None:
        held: list[tuple[Session, str, tuple[Principal, Subject]]] = [
            (session, channel, (session.who, subject(channel)))
            for session in sessions
            if session.who is not None
            for channel in session.subscriptions
        ]
        for start in range(0, len(held), CHECKED_AT_ONCE):
            some = held[start : start + CHECKED_AT_ONCE]
            lost = await self._access.lost({asked for _, _, asked in some})
            for session, channel, asked in some:
                if asked in lost:
                    session.lose(channel)

    async def _read_logins(self, families: Collection[UUID]) -> dict[UUID, Principal | None]:
        found = await principals_of_logins(self.resources, families)
        return {family: found.get(family) for family in families}

    async def _follow(self) -> None:
        """Hears at once of logouts, of roles that changed and of accounts that were closed."""
        while True:
            try:
                joined = await self.feeds.join(ACCOUNTS, _Ear(self), after=None)
            except DATABASE_AWAY:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            await joined.subscription.go_live(joined.missed)
            await asyncio.get_running_loop().create_future()

    def check_soon(self, user_id: int | None) -> None:
        """One person's connections, or all. What fails, the next round repeats."""
        if user_id is not None:
            forget(self.resources, user_id)
        sessions = [
            one for one in self._connections if user_id is None or (one.who is not None and one.who.user_id == user_id)
        ]

        async def check() -> None:
            with contextlib.suppress(*DATABASE_AWAY):
                await self._check(sessions)

        task = asyncio.create_task(check())
        self._checks.add(task)
        task.add_done_callback(self._checks.discard)


class _Ear:
    """The manager's own subscription to the channel of accounts."""

    def __init__(self, manager: ConnectionManager) -> None:
        self._manager = manager

    def send(self, frame: bytes) -> None:
        # Nothing in it: history was lost.
        user_id: int | None = json.loads(text_of_frame(frame))["data"]["user_id"] if frame else None
        self._manager.check_soon(user_id)

    async def send_patiently(self, frame: bytes) -> None:
        self.send(frame)

    def lag(self) -> None:
        self._manager.check_soon(None)

    def over(self, channel: str) -> None:
        """It never is."""


def _degraded() -> bytes:
    return Degraded(data=DegradedData(retry_seconds=POLL_SECONDS)).frame()


@contextlib.asynccontextmanager
async def open_manager(resources: Resources) -> AsyncIterator[ConnectionManager]:
    """With its Redis connections, for as long as the process serves. At the end all sockets are closed."""
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
