"""Comparisons in a worker."""

import uuid

from app.core.resources import Resources
from app.core.tasks import task
from app.evaluations import service
from app.jobs.errors import ClaimLost


@task(name="evaluations.run", time_limit=3600)
async def run(resources: Resources, job_id: uuid.UUID) -> None:
    try:
        await service.carry_out(resources, uuid.UUID(str(job_id)))
    except ClaimLost:
        return


@task(name="evaluations.give_up")
async def give_up(resources: Resources, job_id: uuid.UUID) -> None:
    await service.give_up(resources, uuid.UUID(str(job_id)))
