import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest
from sqlalchemy import text

from app.core.db import Database
from app.core.resources import Resources
from app.core.settings import JobSettings
from app.jobs import service as jobs
from app.relay import housekeeping
from app.relay.housekeeping import keep_house, prune
from tests.relay.samples import Said, Shouted, relay, rows, say


async def grow_old(resources: Resources, up_to: int = 2**62) -> None:
    age = "make_interval(hours => 1000)"
    async with resources.db.unit_of_work() as db:
        statement = f"UPDATE outbox SET delivered_at = delivered_at - {age} WHERE id <= :up_to"  # noqa: S608 - a constant
        await db.execute(text(statement), {"up_to": up_to})
        await db.execute(text(f"UPDATE notifications SET created_at = created_at - {age}"))  # noqa: S608 - a constant


async def deliver(resources: Resources, *events: Said) -> None:
    await say(resources, *events)
    async with relay(resources) as delivering:
        while (await delivering.deliver_batch()).claimed:
            pass


async def test_old_delivered_rows_go_and_the_rest_stays(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "PRUNE_ROWS", 3)
    await deliver(resources, *(Said(about=f"x{n}") for n in range(10)))
    await say(resources, Said(about="pending"))
    async with resources.db.unit_of_work() as db:
        await db.execute(text("UPDATE outbox SET state = 'dead' WHERE id = 1"))
    await grow_old(resources, up_to=8)
    await prune(resources)
    assert [row.id for row in await rows(resources, "SELECT id FROM outbox ORDER BY id")] == [1, 9, 10, 11]


async def test_a_channel_goes_on_counting_after_its_history_is_forgotten(resources: Resources) -> None:
    await deliver(resources, *(Shouted(about="a", words=str(n)) for n in range(5)))
    await grow_old(resources)
    await prune(resources)
    await deliver(resources, Shouted(about="a", words="new"))
    assert [row.seq for row in await rows(resources, "SELECT seq FROM notifications ORDER BY seq")] == [5, 6]


async def test_old_answers_are_forgotten(resources: Resources) -> None:
    async with resources.db.unit_of_work() as db:
        for key, age in (("old", 25), ("new", 1)):
            await db.execute(
                text(
                    "INSERT INTO idempotency_records (owner, key, fingerprint, answer, created_at)"
                    " VALUES ('user:1', :key, '', '', now() - make_interval(hours => :age))"
                ),
                {"key": key, "age": age},
            )
    await prune(resources)
    assert [row.key for row in await rows(resources, "SELECT key FROM idempotency_records")] == ["new"]


async def test_one_relay_prunes_at_a_time(resources: Resources) -> None:
    await deliver(resources, Said(about="a"))
    await grow_old(resources)
    async with resources.db.unit_of_work() as db:
        await db.execute(housekeeping._PRUNER_LOCK)
        await prune(resources)
        assert len(await rows(resources, "SELECT id FROM outbox")) == 1
    await prune(resources)
    assert await rows(resources, "SELECT id FROM outbox") == []


async def test_abandoned_jobs_and_old_rows_are_seen_to_as_long_as_the_relay_runs(resources: Resources) -> None:
    await deliver(resources, Said(about="a"))
    await grow_old(resources)
    async with resources.db.unit_of_work() as db:
        jobs.create(db, kind="test", subject="x", start=False)
    eager = resources.settings.model_copy(update={"jobs": JobSettings(claim_seconds=0.05, reap_seconds=0.02)})

    async def types() -> list[str]:
        return [row.type for row in await rows(resources, "SELECT DISTINCT type FROM outbox")]

    keeping = asyncio.create_task(keep_house(replace(resources, settings=eager)))
    try:
        async with asyncio.timeout(20):
            while await types() != ["job.due"]:  # noqa: ASYNC110 - only the database knows
                await asyncio.sleep(0.01)
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping


async def test_it_bears_a_database_that_is_away(resources: Resources, unused_tcp_port: int) -> None:
    nowhere = Database(f"postgresql://nobody:nothing@127.0.0.1:{unused_tcp_port}/none")
    eager = resources.settings.model_copy(update={"jobs": JobSettings(reap_seconds=0.01)})
    keeping = asyncio.create_task(keep_house(replace(resources, db=nowhere, settings=eager)))
    await asyncio.sleep(0.1)
    assert not keeping.done()
    keeping.cancel()
    with suppress(asyncio.CancelledError):
        await keeping
    await nowhere.dispose()
