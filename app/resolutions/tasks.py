"""Resolutions in the worker. The rows say what is due; a message is only a knock."""

import uuid

from app.core.resources import Resources
from app.core.tasks import task
from app.jobs.tasks import yielding
from app.resolutions import service


@task(name="resolutions.advance", time_limit=60)
@yielding
async def advance(resources: Resources, job_id: uuid.UUID) -> None:
    await service.advance(resources, job_id)


@task(name="resolutions.give_up")
async def give_up(resources: Resources, job_id: uuid.UUID) -> None:
    await service.give_up(resources, job_id)


@task(name="resolutions.run_ended")
async def run_ended(resources: Resources, run_id: uuid.UUID) -> None:
    async with resources.db.unit_of_work() as db:
        await service.run_ended(db, run_id)


@task(name="resolutions.begin")
async def begin(resources: Resources, ticket_id: int) -> None:
    async with resources.db.unit_of_work() as db:
        await service.begin(db, ticket_id)
