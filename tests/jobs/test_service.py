import uuid
from datetime import timedelta

import pytest

from app.core.clock import now
from app.core.resources import Resources
from app.core.telemetry import continued
from app.jobs import service as jobs
from app.jobs.claims import claim
from app.jobs.errors import ClaimLost
from app.jobs.service import Claim
from tests.jobs.samples import change, event_types, events, new_job, read


async def claimed(resources: Resources) -> Claim:
    held = await claim(resources, await new_job(resources))
    assert held is not None
    return held


async def test_a_new_job_is_queued_and_dispatched_with_the_trace_of_its_cause(resources: Resources) -> None:
    with continued({"correlation_id": "the-request"}):
        job_id = await new_job(resources, start=True)
    job = await read(resources, job_id)
    assert (job.state, job.attempts, job.carrier["correlation_id"]) == ("queued", 0, "the-request")
    (due,) = await events(resources)
    assert due.type == "job.due"
    assert {key: due.payload[key] for key in ("job_id", "kind", "subject")} == {
        "job_id": str(job_id),
        "kind": "test",
        "subject": "the subject",
    }
    assert due.carrier["correlation_id"] == "the-request"


async def test_a_job_that_is_not_to_start_waits_to_be_dispatched(resources: Resources) -> None:
    job_id = await new_job(resources)
    assert await event_types(resources) == []
    async with resources.db.unit_of_work() as db:
        assert await jobs.dispatch(db, job_id)
    assert await event_types(resources) == ["job.due"]


async def test_only_a_queued_job_is_dispatched(resources: Resources) -> None:
    held = await claimed(resources)
    async with resources.db.unit_of_work() as db:
        assert not await jobs.dispatch(db, held.job_id)
        assert not await jobs.dispatch(db, uuid.uuid4())
    assert await event_types(resources) == []


async def test_progress_is_a_share_whatever_it_is_given(resources: Resources) -> None:
    held = await claimed(resources)
    for given, kept in ((0.25, 0.25), (7.0, 1.0), (-1.0, 0.0)):
        async with resources.db.unit_of_work() as db:
            await jobs.progress(db, held, stage="ocr", fraction=given)
        job = await read(resources, held.job_id)
        assert (job.stage, job.progress) == ("ocr", kept)


async def test_a_job_succeeds_with_its_results_or_not_at_all(resources: Resources) -> None:
    held = await claimed(resources)
    async with resources.db.session() as db:
        await jobs.succeed(db, held)
        # Never committed.
    assert (await read(resources, held.job_id)).state == "running"
    async with resources.db.unit_of_work() as db:
        await jobs.succeed(db, held)
    job = await read(resources, held.job_id)
    assert (job.state, job.progress, job.lease_expires_at) == ("succeeded", 1.0, None)
    assert job.finished_at is not None


async def test_a_failed_job_says_why(resources: Resources) -> None:
    held = await claimed(resources)
    async with resources.db.unit_of_work() as db:
        await jobs.fail(db, held, reason="The picture is broken.")
    job = await read(resources, held.job_id)
    assert (job.state, job.error) == ("failed", "The picture is broken.")


async def test_whoever_lost_the_claim_can_write_nothing(resources: Resources) -> None:
    late = await claimed(resources)
    await change(resources, "UPDATE jobs SET lease_expires_at = now() - make_interval(secs => 1)")
    held = await claim(resources, late.job_id)
    assert held is not None
    async with resources.db.unit_of_work() as db:
        for attempt in (
            jobs.succeed(db, late),
            jobs.fail(db, late, reason="late"),
            jobs.progress(db, late, stage="ocr", fraction=0.9),
            jobs.postpone(db, late, until=None),
            jobs.requeue(db, late, due_at=now(), error="late"),
        ):
            with pytest.raises(ClaimLost):
                await attempt
        await jobs.succeed(db, held)
    with pytest.raises(ClaimLost):
        async with resources.db.unit_of_work() as db:
            await jobs.succeed(db, held)


async def test_a_postponed_job_does_not_count_the_attempt(resources: Resources) -> None:
    held = await claimed(resources)
    until = now() + timedelta(minutes=5)
    async with resources.db.unit_of_work() as db:
        await jobs.postpone(db, held, until=until)
    job = await read(resources, held.job_id)
    assert (job.state, job.attempts, job.due_at) == ("queued", 0, until)
    (due,) = await events(resources)
    assert due.available_at == until


async def test_a_job_can_be_postponed_until_somebody_dispatches_it(resources: Resources) -> None:
    held = await claimed(resources)
    async with resources.db.unit_of_work() as db:
        await jobs.postpone(db, held, until=None)
    assert await event_types(resources) == []
    assert (await read(resources, held.job_id)).state == "queued"


async def test_an_unknown_job_is_none(resources: Resources) -> None:
    async with resources.db.session() as db:
        assert await jobs.find(db, uuid.uuid4()) is None
