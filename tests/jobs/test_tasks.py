"""Tasks that work on jobs, as a worker runs them."""

import uuid

import pytest

from app.core.resources import Resources
from app.jobs import service as jobs
from app.jobs.claims import claim, hold
from app.jobs.service import Claim
from app.jobs.tasks import claimed, yielding
from tests.jobs.samples import change, new_job, read

STEAL = "UPDATE jobs SET claim = 'somebody else'"


@claimed
async def finish(resources: Resources, held: Claim) -> None:
    async with resources.db.unit_of_work() as db:
        await jobs.succeed(db, held)


@claimed
async def finish_what_was_stolen(resources: Resources, held: Claim) -> None:
    await change(resources, STEAL)
    async with resources.db.unit_of_work() as db:
        await jobs.succeed(db, held)
    raise AssertionError("not reached")


@claimed
async def break_down(resources: Resources, held: Claim) -> None:
    raise OSError("disk")


@yielding
async def hold_what_was_stolen(resources: Resources, job_id: uuid.UUID) -> None:
    async with hold(resources, job_id) as held, resources.db.unit_of_work() as db:
        assert held is not None
        await change(resources, STEAL)
        await jobs.succeed(db, held)


async def test_a_task_gets_the_claim_of_a_free_job_and_settles_it(resources: Resources) -> None:
    job_id = await new_job(resources)
    await finish(resources, job_id)
    assert (await read(resources, job_id)).state == "succeeded"


async def test_a_task_leaves_a_job_alone_that_another_holds(resources: Resources) -> None:
    job_id = await new_job(resources)
    other = await claim(resources, job_id)
    await break_down(resources, job_id)
    assert other is not None
    assert ((await read(resources, job_id)).state, (await read(resources, job_id)).claim) == ("running", other.token)


@pytest.mark.parametrize("task", [finish_what_was_stolen, hold_what_was_stolen])
async def test_a_task_that_lost_its_claim_ends_without_an_error_and_changes_nothing(
    resources: Resources, task: object
) -> None:
    job_id = await new_job(resources)
    assert callable(task)
    await task(resources, job_id)
    job = await read(resources, job_id)
    assert (job.state, job.claim) == ("running", "somebody else")


async def test_any_other_error_is_the_workers_to_see(resources: Resources) -> None:
    job_id = await new_job(resources)
    with pytest.raises(OSError, match="disk"):
        await break_down(resources, job_id)
    assert (await read(resources, job_id)).state == "queued"
