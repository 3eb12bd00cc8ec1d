import json
from pathlib import Path

from sqlalchemy import text

from app.jobs import service as jobs
from app.outbox import writer as outbox
from tests.faults.room import HOLDING_FILE, KIND, Held
from tests.faults.site import Site

FREE_ROWS = "SELECT count(*) FROM (SELECT 1 FROM outbox WHERE state = 'pending' FOR UPDATE SKIP LOCKED) AS free"


async def test_a_relay_killed_between_claim_and_delivery_is_replaced_and_the_event_handled_once(
    site: Site, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    async with site.resources.db.unit_of_work() as db:
        job = jobs.create(db, kind=KIND, subject="a picture", start=False)
        outbox.add(db, Held(file=gate, job_id=job.id))
    site.start_worker()
    first = site.start_relay("first")
    await site.until_file(tmp_path / HOLDING_FILE)
    assert await site.value(FREE_ROWS) == 0
    site.kill(first)
    gate.unlink()
    async with site.listening(f"held:{job.id}") as heard:
        site.start_relay("second")
        message = await heard.get_message(ignore_subscribe_messages=True, timeout=100.0)
    assert message is not None
    assert json.loads(message["data"])["seq"] == 1
    await site.until_row("SELECT state = 'succeeded' FROM jobs WHERE id = :id", id=job.id)
    await site.until_row("SELECT count(*) = 0 FROM outbox WHERE state <> 'delivered'")
    assert await site.value("SELECT attempts FROM jobs WHERE id = :id", id=job.id) == 1
    assert await site.value("SELECT count(*) FROM outbox WHERE type = 'test.recognised'") == 1
    assert await site.value("SELECT count(*) FROM notifications WHERE type = 'held'") == 1


async def test_relays_killed_again_and_again_lose_and_reorder_nothing(site: Site) -> None:
    for _ in range(40):
        await site.new_job()
    site.start_worker()
    for name in ("first", "second", "third"):
        killed = site.start_relay(name)
        await site.until_logged(name, "event_delivered")
        site.kill(killed)
        for _ in range(5):
            await site.new_job()
    site.start_relay("last")
    await site.until_row("SELECT count(*) = 55 FROM jobs WHERE state = 'succeeded'")
    async with site.resources.db.session() as db:
        results = "SELECT count(*) FROM outbox WHERE type = 'test.recognised' GROUP BY payload->>'job_id'"
        assert [*(await db.execute(text(results))).scalars()] == [1] * 55
