"""The feed of a channel where the database or Redis fail it at an awkward moment."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from app.core.db import Database
from app.core.resources import Resources
from app.embedded.redis import EmbeddedRedis
from app.outbox.deliveries import REDIS_PREFIX
from app.websocket import feed as module
from app.websocket import redis_pubsub
from app.websocket.feed import Joined
from app.websocket.feeds import Feeds
from app.websocket.repository import DATABASE_AWAY, History, NotificationRepository
from tests.websocket.conftest import Gate, Publisher, until

CHANNEL = "ticket:1"


class Reader:
    """Takes everything at once, unless told to be blocked."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.free = asyncio.Event()
        self.free.set()
        self.dropped = False

    def send(self, frame: bytes) -> None:
        self.frames.append(frame)

    async def send_patiently(self, frame: bytes) -> None:
        await self.free.wait()
        self.send(frame)

    def lag(self) -> None:
        self.dropped = True

    def over(self, channel: str) -> None:
        assert channel

    @property
    def seqs(self) -> list[int]:
        return [int(frame.rsplit(b'"seq":', 1)[1].rstrip(b"}")) for frame in self.frames]


def _gap(channel: str, seq: int) -> bytes:
    return f'{{"gap":"{channel}","seq":{seq}}}'.encode()


def _feeds(db: Database, redis_url: str) -> Feeds:
    return Feeds(db, redis_url, prefix=REDIS_PREFIX, replay_limit=1000, gap=_gap)


async def _join(feeds: Feeds, reader: Reader, after: int | None = None) -> Joined:
    return await feeds.join(CHANNEL, reader, after=after)


async def _watch(feeds: Feeds, reader: Reader, after: int | None = None) -> Joined:
    joined = await _join(feeds, reader, after)
    await joined.subscription.go_live(joined.missed)
    return joined


@asynccontextmanager
async def _running(feeds: Feeds) -> AsyncIterator[Feeds]:
    task = asyncio.create_task(feeds.run())
    try:
        yield feeds
    finally:
        task.cancel()
        await asyncio.wait([task])


FeedsAt = Callable[[str], AbstractAsyncContextManager[Feeds]]


@pytest.fixture
async def feeds_at(resources: Resources, plane_redis_url: str) -> AsyncIterator[FeedsAt]:
    """Feeds on the database of an address."""
    opened: list[Database] = []

    def make(database_url: str) -> AbstractAsyncContextManager[Feeds]:
        db = Database(database_url)
        opened.append(db)
        return _running(_feeds(db, plane_redis_url))

    yield make
    for db in opened:
        await db.dispose()


@pytest.fixture
def plane_redis_url(resources: Resources) -> str:
    assert resources.settings.redis_url is not None
    return resources.settings.redis_url.get_secret_value()


@pytest.fixture
async def feeds(feeds_at: FeedsAt, resources: Resources) -> AsyncIterator[Feeds]:
    assert resources.settings.database_url is not None
    async with feeds_at(resources.settings.database_url.get_secret_value()) as running:
        yield running


async def test_a_feed_that_cannot_open_is_given_up_and_the_next_one_tries_anew(
    feeds_at: FeedsAt, database_gate: Gate, publisher: Publisher
) -> None:
    async with feeds_at(database_gate.url.get_secret_value()) as feeds:
        await database_gate.shut()
        refused = await asyncio.gather(_join(feeds, Reader()), _join(feeds, Reader()), return_exceptions=True)
        assert all(isinstance(error, DATABASE_AWAY) for error in refused)
        assert len(feeds) == 0
        await database_gate.open()
        reader = Reader()
        await _watch(feeds, reader)
        await publisher.push(CHANNEL)
        await until(lambda: reader.seqs == [1])


async def test_a_feed_that_cannot_open_does_not_trouble_one_who_has_left(
    feeds_at: FeedsAt, database_gate: Gate
) -> None:
    async with feeds_at(database_gate.url.get_secret_value()) as feeds:
        await database_gate.shut()
        joining = asyncio.create_task(_join(feeds, Reader()))
        await asyncio.sleep(0)
        joining.cancel()
        await asyncio.wait([joining])
        await asyncio.sleep(0.3)
        assert len(feeds) == 0


async def test_a_feed_that_was_left_before_it_failed_does_not_take_its_successor_with_it(
    feeds: Feeds, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, fails = asyncio.Event(), asyncio.Event()
    read = NotificationRepository.newest

    async def first_fails(self: NotificationRepository, channels: Sequence[str]) -> dict[str, int]:
        if asked.is_set():
            return await read(self, channels)
        asked.set()
        await fails.wait()
        raise ConnectionResetError

    monkeypatch.setattr(NotificationRepository, "newest", first_fails)
    left = asyncio.create_task(_join(feeds, Reader()))
    await asked.wait()
    left.cancel()
    await asyncio.wait([left])
    reader = Reader()
    joining = asyncio.create_task(_watch(feeds, reader))
    await asyncio.sleep(0)
    fails.set()
    await joining
    await publisher.push(CHANNEL)
    await until(lambda: reader.seqs == [1])


async def test_what_is_published_while_one_joins_is_neither_lost_nor_repeated(
    feeds: Feeds, publisher: Publisher
) -> None:
    for _ in range(3):
        await publisher.push(CHANNEL)
    reader = Reader()
    joined = await _join(feeds, reader, after=1)
    first = Reader()
    await _watch(feeds, first)
    await publisher.push(CHANNEL)
    await until(lambda: first.seqs == [4])
    assert reader.seqs == []
    await joined.subscription.go_live(joined.missed)
    assert reader.seqs == [2, 3, 4]


async def test_what_arrives_while_the_table_is_asked_is_not_taken_for_lost(
    feeds: Feeds, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publisher.push(CHANNEL)
    first, reader = Reader(), Reader()
    await _watch(feeds, first)
    read = NotificationRepository.histories

    async def slowly(
        self: NotificationRepository, asked: Collection[tuple[str, int]], *, limit: int
    ) -> dict[tuple[str, int], History]:
        found = await read(self, asked, limit=limit)
        await publisher.push(CHANNEL)
        await until(lambda: first.seqs == [2])
        return found

    monkeypatch.setattr(NotificationRepository, "histories", slowly)
    joined = await _watch(feeds, reader, after=1)
    assert (joined.seq, joined.recovered) == (1, True)
    assert reader.seqs == [2]


async def test_one_who_reads_too_slowly_for_what_arrives_meanwhile_is_dropped(
    feeds: Feeds, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HELD_LIMIT", 2)
    reader = Reader()
    await _join(feeds, reader)
    for _ in range(3):
        await publisher.push(CHANNEL)
    await until(lambda: reader.dropped)


async def test_of_many_early_messages_those_beyond_the_limit_are_read_from_the_table(
    feeds_at: FeedsAt, database_gate: Gate, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EARLY_LIMIT", 2)
    async with feeds_at(database_gate.url.get_secret_value()) as feeds:
        reader = Reader()
        await _watch(feeds, reader)
        await database_gate.shut()
        await publisher.keep(CHANNEL)
        for _ in range(5):
            await publisher.push(CHANNEL)
        await asyncio.sleep(0.1)
        await database_gate.open()
        await until(lambda: reader.seqs == [1, 2, 3, 4, 5, 6])


async def test_a_gap_is_not_told_to_one_who_is_held_back(
    feeds: Feeds, publisher: Publisher, resources: Resources
) -> None:
    held, live = Reader(), Reader()
    await _watch(feeds, live)
    joined = await _join(feeds, held)
    await publisher.publish(CHANNEL, 3)
    await until(lambda: live.seqs == [2, 3])
    assert live.frames[0] == _gap(CHANNEL, 2)
    await joined.subscription.go_live(joined.missed)
    assert held.seqs == [3]


async def test_a_feed_nobody_watches_any_more_is_not_filled(
    feeds_at: FeedsAt, database_gate: Gate, publisher: Publisher
) -> None:
    async with feeds_at(database_gate.url.get_secret_value()) as feeds:
        joined = await _watch(feeds, Reader())
        await database_gate.shut()
        await publisher.publish(CHANNEL, 5)
        await asyncio.sleep(0.1)
        joined.subscription.leave()
        joined.subscription.leave()
        await database_gate.open()
        assert len(feeds) == 0


async def test_after_a_restart_of_redis_and_of_the_database_everything_arrives(
    resources: Resources, own_redis: EmbeddedRedis, database_gate: Gate, publisher: Publisher
) -> None:
    db = Database(database_gate.url.get_secret_value())
    async with _running(_feeds(db, own_redis.url)) as feeds:
        reader, other = Reader(), Reader()
        await _watch(feeds, reader)
        leaving = await feeds.join("ticket:2", other, after=None)
        quiet = await feeds.join("ticket:3", other, after=None)
        own_redis.kill()
        await publisher.keep(CHANNEL)
        await publisher.keep("ticket:2")
        await database_gate.shut()
        own_redis.start()
        await asyncio.sleep(1.5)
        leaving.subscription.leave()
        assert reader.seqs == []
        await database_gate.open()
        await until(lambda: reader.seqs == [1])
        assert quiet.subscription.position == 0
        assert other.frames == []
    await db.dispose()


async def test_a_redis_that_falls_silent_is_left_and_found_again(
    resources: Resources, own_redis: EmbeddedRedis, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_pubsub, "PING_SECONDS", 0.1)
    monkeypatch.setattr(redis_pubsub, "SILENCE_SECONDS", 1.0)
    monkeypatch.setattr(redis_pubsub, "CONFIRM_SECONDS", 0.2)
    async with _running(_feeds(resources.db, own_redis.url)) as feeds:
        reader, late = Reader(), Reader()
        await _watch(feeds, reader)
        await asyncio.sleep(0.2)
        assert own_redis.process is not None
        own_redis.process.send_signal(signal.SIGSTOP)
        joined = await feeds.join("ticket:2", late, after=None)
        await joined.subscription.go_live(joined.missed)
        await publisher.keep(CHANNEL)
        await publisher.keep("ticket:2")
        await asyncio.sleep(1.5)
        own_redis.process.send_signal(signal.SIGCONT)
        await until(lambda: reader.seqs == [1] and late.seqs == [1])


async def test_what_is_watched_and_left_again_at_once_is_not_watched(feeds: Feeds, publisher: Publisher) -> None:
    pubsub = feeds.pubsub
    assert await pubsub.add(CHANNEL) is True
    assert await pubsub.add(CHANNEL) is True
    pubsub.remove(CHANNEL)
    adding = asyncio.create_task(pubsub.add(CHANNEL))
    await asyncio.sleep(0)
    pubsub.remove(CHANNEL)
    assert await adding is False
    await publisher.push(CHANNEL)
    assert await pubsub.add(CHANNEL) is True
