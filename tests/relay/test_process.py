"""The relay as a process: batch after batch, until it is told to leave."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from sqlalchemy import text

from app.core.db import Database
from app.core.redis import connect
from app.core.resources import NotConfigured, Resources
from app.core.tasks import configure
from app.outbox.deliveries import Push
from app.relay import delivering as relaying
from app.relay.process import run, serve
from app.relay.registry import Subscriptions
from app.relay.subscriptions import build
from app.relay.wakeup import Wakeup
from tests.relay.samples import Asked, Said, impatient, listening, next_messages, rows, say, states, subscriptions

PENDING = "SELECT 1 FROM outbox WHERE state = 'pending'"


@asynccontextmanager
async def serving(resources: Resources, subscribed: Subscriptions | None = None) -> AsyncIterator[asyncio.Event]:
    configure(resources.settings)
    stop = asyncio.Event()
    process = asyncio.create_task(serve(resources, subscribed or subscriptions(), stop))
    try:
        yield stop
    finally:
        stop.set()
        await process


async def until_delivered(resources: Resources) -> None:
    async with asyncio.timeout(60):
        await _until_delivered(resources)


async def _until_delivered(resources: Resources) -> None:
    while await rows(resources, PENDING):  # noqa: ASYNC110 - only the database knows
        await asyncio.sleep(0.01)


async def test_events_are_delivered_as_they_are_committed(resources: Resources) -> None:
    lazy = impatient(resources, poll_seconds=60)
    async with serving(lazy), listening(resources, "a") as heard:
        for words in ("one", "two", "three"):
            await say(resources, Said(about="a", words=words), Asked(about="b"))
            (message,) = await next_messages(heard, 1)
            assert message["data"] == {"words": words}
        await until_delivered(resources)
    assert await resources.redis.llen("default") == 3


async def test_a_relay_that_is_told_to_stop_leaves_at_once_though_nothing_comes(resources: Resources) -> None:
    started = time.monotonic()
    async with serving(impatient(resources, poll_seconds=60)):
        await asyncio.sleep(0.1)
    assert time.monotonic() - started < 10


async def test_it_waits_for_redis_and_goes_on_when_it_is_back(resources: Resources, unused_tcp_port: int) -> None:
    await say(resources, Said(about="a", words="one"))
    nowhere = connect(f"redis://127.0.0.1:{unused_tcp_port}/0")
    cut_off = replace(impatient(resources), redis=nowhere)
    async with serving(cut_off):
        await asyncio.sleep(0.5)
        assert await states(resources) == ["pending"]
        # As if the server were back: the client goes where it is.
        nowhere.connection_pool = resources.redis.connection_pool
        await until_delivered(resources)


ALL_CONNECTIONS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


async def test_it_bears_the_loss_of_its_database_connections(resources: Resources) -> None:
    apart = Database(resources.db.url)
    async with serving(replace(impatient(resources, poll_seconds=0.05), db=apart)):
        for words in map(str, range(8)):
            async with resources.db.unit_of_work() as db:
                await db.execute(text(ALL_CONNECTIONS))
            await resources.db.dispose()
            await say(resources, Said(about="a", words=words))
            await until_delivered(resources)
    await apart.dispose()
    kept = await rows(resources, "SELECT data FROM notifications ORDER BY seq")
    assert [row.data["words"] for row in kept] == [str(n) for n in range(8)]


async def test_a_batch_that_the_database_refuses_is_given_back_and_tried_again(resources: Resources) -> None:
    async with resources.db.unit_of_work() as db:
        await db.execute(text("ALTER TABLE notifications RENAME TO elsewhere"))
    try:
        async with serving(impatient(resources)):
            await say(resources, Said(about="a", words="one"))
            await asyncio.sleep(0.5)
            assert await states(resources) == ["pending"]
            async with resources.db.unit_of_work() as db:
                await db.execute(text("ALTER TABLE elsewhere RENAME TO notifications"))
            await until_delivered(resources)
    finally:
        async with resources.db.unit_of_work() as db:
            await db.execute(text("ALTER TABLE IF EXISTS elsewhere RENAME TO notifications"))
    assert [row.attempts for row in await rows(resources, "SELECT attempts FROM outbox")] == [0]


async def test_a_cancelled_relay_finishes_its_batch_first(resources: Resources) -> None:
    begun, finish = asyncio.Event(), asyncio.Event()

    class Slow(relaying.Relay):
        async def deliver_batch(self) -> relaying.Outcome:
            begun.set()
            await finish.wait()
            return await super().deliver_batch()

    await say(resources, Said(about="a", words="one"))
    configure(resources.settings)
    slow = Slow(resources, subscriptions())
    going = asyncio.create_task(relaying.deliver_until(asyncio.Event(), slow, Wakeup(resources.db), poll_seconds=60))
    await begun.wait()
    going.cancel()
    await asyncio.sleep(0.01)
    finish.set()
    with pytest.raises(asyncio.CancelledError):
        await going
    await slow.aclose()
    assert await states(resources) == ["delivered"]


async def test_the_process_ends_its_work_on_sigterm(resources: Resources) -> None:
    told = asyncio.Event()

    def push(event: Said) -> list[Push]:
        told.set()
        return [Push(event.about, "test", "said", {})]

    subscribed = Subscriptions()
    subscribed.on(Said, push)
    await say(resources, Said(about="a"))
    process = asyncio.create_task(run(resources.settings, subscribed))
    await told.wait()
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(process, 20)
    assert await states(resources) == ["delivered"]


async def test_the_process_says_what_it_lacks(resources: Resources) -> None:
    homeless = resources.settings.model_copy(update={"redis_url": None})
    with pytest.raises(NotConfigured):
        await run(homeless, subscriptions())
    with pytest.raises(NotConfigured):
        await run(resources.settings.model_copy(update={"database_url": None}), subscriptions())


def test_the_products_own_subscriptions_fit_together() -> None:
    assert build() is not build()
