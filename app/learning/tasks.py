"""Training in a worker."""

import uuid

from app.core.resources import Resources
from app.core.tasks import task
from app.jobs.errors import ClaimLost
from app.learning import service


@task(name="learning.train", time_limit=1800)
async def train(resources: Resources, job_id: uuid.UUID) -> None:
    try:
        await service.carry_out(resources, uuid.UUID(str(job_id)))
    except ClaimLost:
        return


@task(name="learning.give_up")
async def give_up(resources: Resources, job_id: uuid.UUID) -> None:
    await service.give_up(resources, uuid.UUID(str(job_id)))
