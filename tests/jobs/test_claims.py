import asyncio
import time
import uuid
from dataclasses import replace
from datetime import timedelta

import pytest

from app.core.clock import now
from app.core.db import Database
from app.core.metrics import JOB_SECONDS
from app.core.resources import Resources
from app.jobs import service as jobs
from app.jobs.claims import claim, hold
from app.jobs.errors import ClaimLost
from tests.jobs.samples import KIND, change, event_types, events, new_job, read, with_jobs

EXPIRE = "UPDATE jobs SET lease_expires_at = now() - make_interval(secs => 1)"
STEAL = "UPDATE jobs SET claim = 'somebody else'"


async def test_of_many_workers_one_gets_the_job(resources: Resources) -> None:
    job_id = await new_job(resources)
    claims = await asyncio.gather(*(claim(resources, job_id) for _ in range(6)))
    (held,) = [one for one in claims if one is not None]
    assert (held.kind, held.subject, held.attempt) == (KIND, "the subject", 1)
    job = await read(resources, job_id)
    assert (job.state, job.claim) == ("running", held.token)


async def test_an_expired_lease_is_free_to_take(resources: Resources) -> None:
    job_id = await new_job(resources)
    first = await claim(resources, job_id)
    assert await claim(resources, job_id) is None
    await change(resources, EXPIRE)
    second = await claim(resources, job_id)
    assert first is not None
    assert second is not None
    assert second.attempt == 2
    assert second.token != first.token


async def test_a_worn_out_settled_or_unknown_job_is_nobodys(resources: Resources) -> None:
    job_id = await new_job(resources)
    await change(resources, "UPDATE jobs SET attempts = 5")
    assert await claim(resources, job_id) is None
    await change(resources, "UPDATE jobs SET attempts = 0, state = 'failed'")
    assert await claim(resources, job_id) is None
    assert await claim(resources, uuid.uuid4()) is None


async def test_the_lease_is_renewed_for_as_long_as_the_work_goes_on(resources: Resources) -> None:
    brief = with_jobs(resources, lease_seconds=4)
    job_id = await new_job(resources)
    async with hold(brief, job_id) as held:
        assert held is not None
        await asyncio.sleep(5)
        assert await claim(brief, job_id) is None
        async with resources.db.unit_of_work() as db:
            await jobs.succeed(db, held)
        # Settled: the heartbeat ends by itself, and the block goes on undisturbed.
        await asyncio.sleep(0.5)
    assert (await read(resources, job_id)).state == "succeeded"


async def test_a_job_held_by_another_is_left_alone(resources: Resources) -> None:
    job_id = await new_job(resources)
    await claim(resources, job_id)
    async with hold(resources, job_id) as held:
        assert held is None
    assert (await read(resources, job_id)).state == "running"


async def test_the_time_a_job_took_is_measured(resources: Resources) -> None:
    job_id = await new_job(resources)
    async with hold(resources, job_id) as held, resources.db.unit_of_work() as db:
        assert held is not None
        await jobs.succeed(db, held)
    samples = (await JOB_SECONDS.read(resources.redis)).samples
    assert [s.value for s in samples if s.name.endswith("_count") and s.labels["kind"] == KIND] == [1]


async def test_a_holder_whose_claim_was_taken_is_stopped(resources: Resources) -> None:
    brief = with_jobs(resources, lease_seconds=1.5)
    job_id = await new_job(resources)
    started = time.monotonic()

    async def work() -> None:
        async with hold(brief, job_id):
            await change(resources, STEAL)
            await asyncio.sleep(20)

    with pytest.raises(ClaimLost):
        await work()
    assert time.monotonic() - started < 10
    job = await read(resources, job_id)
    assert (job.state, job.claim) == ("running", "somebody else")


async def test_a_holder_that_cannot_renew_in_time_stops_itself(resources: Resources, unused_tcp_port: int) -> None:
    brief = with_jobs(resources, lease_seconds=0.4)
    breaking = Database(resources.db.url)
    job_id = await new_job(resources)
    nowhere = Database(f"postgresql://nobody:nothing@127.0.0.1:{unused_tcp_port}/none")
    started = time.monotonic()

    async def work() -> None:
        async with hold(replace(brief, db=breaking), job_id):
            breaking._sessions.configure(bind=nowhere.engine)
            await asyncio.sleep(20)

    with pytest.raises(ClaimLost):
        await work()
    assert time.monotonic() - started < 10
    await breaking.dispose()
    await nowhere.dispose()


async def test_a_failed_attempt_is_queued_again_after_a_rest(resources: Resources) -> None:
    job_id = await new_job(resources)
    with pytest.raises(ZeroDivisionError):
        async with hold(resources, job_id):
            raise ZeroDivisionError
    job = await read(resources, job_id)
    assert (job.state, job.attempts, job.error) == ("queued", 1, "ZeroDivisionError")
    (due,) = await events(resources)
    assert due.type == "job.due"
    assert timedelta(seconds=0) < due.available_at - now() < timedelta(seconds=3)


async def test_a_cancelled_attempt_is_queued_again(resources: Resources) -> None:
    job_id = await new_job(resources)
    begun = asyncio.Event()

    async def work() -> None:
        async with hold(resources, job_id):
            begun.set()
            await asyncio.sleep(20)

    working = asyncio.create_task(work())
    await begun.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert (await read(resources, job_id)).error == "CancelledError"


async def test_a_timeout_of_the_work_itself_is_its_failure_and_no_lost_claim(resources: Resources) -> None:
    job_id = await new_job(resources)
    with pytest.raises(TimeoutError):
        async with hold(resources, job_id), asyncio.timeout(0.01):
            await asyncio.sleep(20)
    assert (await read(resources, job_id)).error == "TimeoutError"


async def test_an_attempt_without_an_outcome_is_queued_again(resources: Resources) -> None:
    job_id = await new_job(resources)
    async with hold(resources, job_id):
        pass
    job = await read(resources, job_id)
    assert (job.state, job.error) == ("queued", "ended without an outcome")


async def test_the_last_attempt_gives_the_job_up_and_tells_its_room(resources: Resources) -> None:
    twice = with_jobs(resources, max_attempts=2)
    job_id = await new_job(resources)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            async with hold(twice, job_id):
                raise ZeroDivisionError
    job = await read(resources, job_id)
    assert (job.state, job.error) == (
        "failed",
        "Given up after 2 attempts; the last one ended with: ZeroDivisionError.",
    )
    assert await event_types(resources) == ["job.due", "job.exhausted"]
    async with hold(twice, job_id) as held:
        assert held is None


async def test_a_failure_after_the_claim_was_lost_changes_nothing(resources: Resources) -> None:
    job_id = await new_job(resources)

    async def fail_late() -> None:
        async with hold(resources, job_id):
            await change(resources, STEAL)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_late()
    job = await read(resources, job_id)
    assert (job.state, job.claim) == ("running", "somebody else")


async def test_a_result_after_the_claim_was_lost_is_refused(resources: Resources) -> None:
    job_id = await new_job(resources)

    async def succeed_late() -> None:
        async with hold(resources, job_id) as held:
            assert held is not None
            await change(resources, STEAL)
            async with resources.db.unit_of_work() as db:
                await jobs.succeed(db, held)

    with pytest.raises(ClaimLost):
        await succeed_late()
    assert (await read(resources, job_id)).state == "running"
