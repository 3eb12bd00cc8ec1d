"""Training in a worker."""

import uuid

from app.core.resources import Resources
from app.core.tasks import task
from app.jobs.tasks import yielding
from app.learning import service


@task(name="learning.train", time_limit=1800)
@yielding
async def train(resources: Resources, job_id: uuid.UUID) -> None:
    await service.carry_out(resources, job_id)


@task(name="learning.give_up")
async def give_up(resources: Resources, job_id: uuid.UUID) -> None:
    await service.give_up(resources, job_id)
