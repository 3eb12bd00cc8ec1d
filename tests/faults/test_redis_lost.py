import json

import pytest
from sqlalchemy import text

from app.outbox import writer as outbox
from tests.faults.room import Said
from tests.faults.site import Site

DONE = "SELECT count(*) = :count FROM jobs WHERE state = 'succeeded'"
RESULTS = "SELECT count(*) FROM outbox WHERE type = 'test.recognised'"
# At least: what nobody claims in time is sent again.
WITH_THE_BROKER = "SELECT count(*) >= :count FROM outbox WHERE type = 'job.due' AND state = 'delivered'"


@pytest.mark.parametrize("with_data", [False, True], ids=["restarted", "data lost"])
async def test_jobs_waiting_in_redis_survive_its_death(site: Site, with_data: bool) -> None:
    for _ in range(5):
        await site.new_job()
    site.start_relay()
    await site.until_row(WITH_THE_BROKER, count=5)
    site.lose_redis(with_data=with_data)
    site.restart_redis()
    site.start_worker()
    await site.until_row(DONE, count=5)
    assert await site.value(RESULTS) == 5


async def test_worker_and_relay_go_on_when_redis_comes_back(site: Site) -> None:
    worker, relay = site.start_worker(), site.start_relay()
    before = await site.new_job()
    await site.until_row(DONE, count=1)
    site.lose_redis(with_data=True)
    async with site.resources.db.unit_of_work() as db:
        outbox.add(db, Said(words="while it was away"))
    meanwhile = await site.new_job()
    await site.until_logged("relay", "redis_away")
    assert await site.value("SELECT state FROM outbox WHERE type = 'test.said'") == "pending"
    site.restart_redis()
    await site.until_row(DONE, count=2)
    await site.until_row("SELECT state = 'delivered' FROM outbox WHERE type = 'test.said'")
    assert (await site.value("SELECT max(attempts) FROM outbox")) == 0
    assert before != meanwhile
    assert worker.poll() is None
    assert relay.poll() is None


async def test_a_notification_of_the_time_without_redis_is_published_when_it_is_back(site: Site) -> None:
    relay = site.start_relay()
    site.lose_redis(with_data=False)
    async with site.resources.db.unit_of_work() as db:
        outbox.add(db, Said(words="while it was away"))
    await site.until_logged("relay", "redis_away")
    # Stopped, so that it does not publish before this test listens.
    site.freeze(relay)
    site.restart_redis()
    async with site.listening("talk") as heard:
        site.thaw(relay)
        message = await heard.get_message(ignore_subscribe_messages=True, timeout=100.0)
    assert message is not None
    assert json.loads(message["data"])["data"] == {"words": "while it was away"}
    async with site.resources.db.session() as db:
        kept = (await db.execute(text("SELECT channel, seq, data FROM notifications"))).all()
    assert [tuple(row) for row in kept] == [("talk", 1, {"words": "while it was away"})]
