"""Comparisons in a worker."""

import uuid

from app.core.resources import Resources
from app.core.tasks import task
from app.evaluations import service
from app.jobs.tasks import yielding


@task(name="evaluations.run", time_limit=3600)
@yielding
async def run(resources: Resources, job_id: uuid.UUID) -> None:
    await service.carry_out(resources, job_id)


@task(name="evaluations.give_up")
async def give_up(resources: Resources, job_id: uuid.UUID) -> None:
    await service.give_up(resources, job_id)
