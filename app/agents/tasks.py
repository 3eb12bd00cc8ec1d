"""Runs in the worker. The job's row says what is due; a message is only a knock."""

import uuid

from app.agents import service
from app.ai_config.schemas import MAX_TIMEOUT_SECONDS
from app.core.resources import Resources
from app.core.tasks import task
from app.jobs.tasks import yielding


@task(name="agents.run", time_limit=MAX_TIMEOUT_SECONDS + 60)
@yielding
async def run(resources: Resources, job_id: uuid.UUID) -> None:
    await service.execute(resources, job_id)


@task(name="agents.give_up")
async def give_up(resources: Resources, job_id: uuid.UUID) -> None:
    await service.give_up(resources, job_id)


@task(name="agents.resume")
async def resume(resources: Resources, file_id: uuid.UUID) -> None:
    async with resources.db.unit_of_work() as db:
        await service.file_processed(db, file_id)
