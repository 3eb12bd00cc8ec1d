import asyncio
from datetime import timedelta

from app.core.clock import now
from app.core.resources import Resources
from app.core.settings import JobSettings
from app.core.telemetry import continued
from app.jobs import reaper
from app.jobs.claims import claim
from tests.jobs.samples import change, event_types, events, new_job, read

SETTINGS = JobSettings(claim_seconds=60, max_attempts=3)


async def reap(resources: Resources) -> int:
    async with resources.db.unit_of_work() as db:
        return await reaper.due(db, SETTINGS)


async def wait_long(resources: Resources, seconds: float) -> None:
    older = "UPDATE jobs SET due_at = due_at - age, created_at = created_at - age FROM make_interval(secs => :s) AS age"
    await change(resources, older, s=seconds)


async def test_what_is_young_or_in_work_is_let_be(resources: Resources) -> None:
    await new_job(resources)
    await claim(resources, await new_job(resources))
    assert await reap(resources) == 0


async def test_a_job_nobody_claims_is_dispatched_again_with_its_trace(resources: Resources) -> None:
    with continued({"correlation_id": "the-request"}):
        job_id = await new_job(resources)
    await wait_long(resources, 61)
    assert await reap(resources) == 1
    (due,) = await events(resources)
    assert (due.type, due.payload["job_id"]) == ("job.due", str(job_id))
    assert due.carrier["correlation_id"] == "the-request"
    assert await reap(resources) == 0


async def test_a_job_that_waits_long_is_knocked_for_ever_more_rarely(resources: Resources) -> None:
    job_id = await new_job(resources)
    for waited, next_look in ((61, 61), (600, 661), (100_000, 3600)):
        await wait_long(resources, waited)
        # However its last dispatch went.
        await change(resources, "UPDATE jobs SET due_at = now() - make_interval(secs => 61)")
        assert await reap(resources) == 1
        rest = (await read(resources, job_id)).due_at - now()
        assert abs(rest - timedelta(seconds=next_look)) < timedelta(seconds=20)


async def test_a_silent_workers_job_is_free_again(resources: Resources) -> None:
    job_id = await new_job(resources)
    await claim(resources, job_id)
    await change(resources, "UPDATE jobs SET lease_expires_at = now() - make_interval(secs => 1)")
    assert await reap(resources) == 1
    job = await read(resources, job_id)
    assert (job.state, job.claim, job.lease_expires_at, job.attempts) == ("queued", None, None, 1)
    assert await event_types(resources) == ["job.due"]
    assert await claim(resources, job_id) is not None


async def test_a_job_that_silenced_its_workers_too_often_is_given_up(resources: Resources) -> None:
    job_id = await new_job(resources)
    await claim(resources, job_id)
    await change(resources, "UPDATE jobs SET attempts = 3, lease_expires_at = now() - make_interval(secs => 1)")
    assert await reap(resources) == 1
    job = await read(resources, job_id)
    assert job.state == "failed"
    assert job.finished_at is not None
    assert job.error == "Given up after 3 attempts: the worker that had it last went silent."
    (exhausted,) = await events(resources)
    assert exhausted.type == "job.exhausted"
    assert exhausted.payload["reason"] == job.error


async def test_two_relays_dispatch_a_job_once(resources: Resources) -> None:
    for _ in range(20):
        await new_job(resources)
    await wait_long(resources, 61)
    assert sum(await asyncio.gather(reap(resources), reap(resources), reap(resources))) == 20
    assert len(await event_types(resources)) == 20
