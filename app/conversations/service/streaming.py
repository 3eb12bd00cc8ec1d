"""A conversation as server-sent events: every event once and in order, from wherever the client stands.

The table is the truth; the bus only says that it is worth looking. While the bus is away the heartbeat looks.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from uuid import UUID

from pydantic_core import to_json

from app.accounts import service as accounts
from app.accounts.errors import UserNotFound
from app.conversations import repository
from app.conversations.channels import session_channel
from app.conversations.errors import TooManyStreams
from app.conversations.repository import ConversationRepository
from app.conversations.service.opening import with_citations
from app.conversations.service.recording import MESSAGE
from app.core.auth import Principal
from app.core.db import DATABASE_AWAY, Database
from app.core.resources import Resources
from app.websocket.feeds import Feeds

PAGE = 100
RETRY_MS = 2_000
PING = ": still here\n\n"


class _Waker:
    """Watches a channel; what it is told there does not matter."""

    def __init__(self) -> None:
        self.news = asyncio.Event()

    def send(self, frame: bytes) -> None:
        self.news.set()

    async def send_patiently(self, frame: bytes) -> None:
        self.news.set()

    def lag(self) -> None:
        self.news.set()

    def over(self, channel: str) -> None:
        self.news.set()


_open: Counter[int] = Counter()
"""Streams of this process, by person."""


async def check(resources: Resources, who: Principal, session_id: UUID) -> None:
    """Before the answer begins. Raises SessionMissing and TooManyStreams."""
    async with resources.db.reading() as db:
        await ConversationRepository(db, who).get(session_id)
    if _open[who.user_id] >= resources.settings.conversations.streams_per_person:
        raise TooManyStreams


async def stream(
    resources: Resources, feeds: Feeds, who: Principal, session_id: UUID, *, after: int
) -> AsyncGenerator[str, None]:
    """What came after event number `after`, then whatever comes, for `stream_seconds`."""
    _open[who.user_id] += 1
    frames = _frames(resources, feeds, who, session_id, after)
    try:
        async for frame in frames:
            yield frame
    finally:
        await frames.aclose()
        _open[who.user_id] -= 1
        if _open[who.user_id] <= 0:
            del _open[who.user_id]


async def _frames(
    resources: Resources, feeds: Feeds, who: Principal, session_id: UUID, after: int
) -> AsyncGenerator[str, None]:
    options = resources.settings.conversations
    loop = asyncio.get_running_loop()
    ends = loop.time() + options.stream_seconds
    waker = _Waker()
    yield f"retry: {RETRY_MS}\n\n"
    try:
        joined = await feeds.join(session_channel(str(session_id)), waker, after=None)
    except DATABASE_AWAY:
        return
    try:
        await joined.subscription.go_live([])
        while True:
            waker.news.clear()
            frames = await _page(resources.db, session_id, after)
            for number, frame in frames:
                after = number
                yield frame
            if len(frames) == PAGE:
                continue
            left = ends - loop.time()
            if left <= 0:
                return
            try:
                async with asyncio.timeout(min(options.heartbeat_seconds, left)):
                    await waker.news.wait()
            except TimeoutError:
                if not await _may_watch(resources.db, who):
                    return
                yield PING
    except DATABASE_AWAY:
        # The client comes back, with the number of what it had last.
        return
    finally:
        joined.subscription.leave()


async def _may_watch(database: Database, who: Principal) -> bool:
    """Whether the account is still active, and what it was: a stream outlives the check at its beginning."""
    try:
        async with database.reading() as db:
            return (await accounts.principal_of(db, who.user_id)).role is who.role
    except UserNotFound:
        return False


async def _page(database: Database, session_id: UUID, after: int) -> list[tuple[int, str]]:
    async with database.reading() as db:
        rows = await repository.events_after(db, session_id, after, limit=PAGE)
        ids = [row.message_id for row in rows if row.message_id is not None]
        messages = await repository.messages_of(db, ids) if ids else {}
        shown = {one.message_id: one for one in await with_citations(db, [*messages.values()])}
    frames = []
    for row in rows:
        data = row.data
        if row.type == MESSAGE and row.message_id is not None:
            data = shown[row.message_id].model_dump(mode="json")
        body = to_json(data).decode()
        frames.append((row.number, f"id: {row.number}\nevent: {row.type}\ndata: {body}\n\n"))
    return frames
