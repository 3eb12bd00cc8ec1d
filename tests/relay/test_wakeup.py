import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from sqlalchemy import text

from app.core.db import Database
from app.core.resources import Resources
from app.relay import wakeup as waking
from app.relay.wakeup import Wakeup
from tests.relay.samples import Said, rows, say

LISTENERS = "SELECT pid FROM pg_stat_activity WHERE query = 'LISTEN \"outbox\"' AND datname = current_database()"


@asynccontextmanager
async def listening(resources: Resources, database: Database | None = None) -> AsyncIterator[Wakeup]:
    wakeup = Wakeup(database or resources.db)
    keeping = asyncio.create_task(wakeup.keep_listening())
    try:
        yield wakeup
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping


async def seconds_until_woken(wakeup: Wakeup, most: float) -> float:
    started = time.monotonic()
    await wakeup.wait(most)
    return time.monotonic() - started


async def test_a_commit_wakes_the_relay_long_before_it_would_look(resources: Resources) -> None:
    async with listening(resources) as wakeup:
        await wakeup.listening.wait()
        await wakeup.wait(5)
        waiting = asyncio.create_task(seconds_until_woken(wakeup, 20))
        await asyncio.sleep(0.05)
        await say(resources, Said(about="a"))
        assert await waiting < 5


async def test_what_came_before_it_listened_is_not_missed(resources: Resources) -> None:
    await say(resources, Said(about="a"))
    async with listening(resources) as wakeup:
        await wakeup.listening.wait()
        assert await seconds_until_woken(wakeup, 20) < 5


async def test_without_a_call_it_looks_by_the_clock(resources: Resources) -> None:
    assert 0.1 <= await seconds_until_woken(Wakeup(resources.db), 0.1) < 5


async def test_a_lost_connection_is_made_again_and_wakes_at_once(resources: Resources) -> None:
    async with listening(resources) as wakeup:
        await wakeup.listening.wait()
        await wakeup.wait(5)
        (listener,) = await rows(resources, LISTENERS)
        async with resources.db.unit_of_work() as db:
            await db.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": listener.pid})
        assert await seconds_until_woken(wakeup, 20) < 10
        await wakeup.listening.wait()
        (again,) = await rows(resources, LISTENERS)
        assert again.pid != listener.pid
        waiting = asyncio.create_task(seconds_until_woken(wakeup, 20))
        await asyncio.sleep(0.05)
        await say(resources, Said(about="a"))
        assert await waiting < 5


async def test_it_goes_on_trying_while_the_database_is_away(resources: Resources, unused_tcp_port: int) -> None:
    nowhere = Database(f"postgresql://nobody:nothing@127.0.0.1:{unused_tcp_port}/none")
    async with listening(resources, nowhere) as wakeup:
        await asyncio.sleep(3 * waking.RECONNECT_FIRST_SECONDS)
        assert not wakeup.listening.is_set()
    await nowhere.dispose()


async def test_a_quiet_connection_is_probed(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waking, "PROBE_SECONDS", 0.02)
    async with listening(resources) as wakeup:
        await wakeup.listening.wait()
        await asyncio.sleep(0.2)
        assert wakeup.listening.is_set()
        assert await rows(resources, LISTENERS.replace('LISTEN "outbox"', "SELECT 1"))
