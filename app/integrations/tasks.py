"""Passing tickets on, in a worker."""

from uuid import UUID

from app.core.resources import Resources
from app.core.tasks import task
from app.integrations import service
from app.jobs.tasks import GivenUp, exhausted, yielding


@task(name="integrations.export", time_limit=180)
@yielding
async def export_ticket(resources: Resources, job_id: UUID) -> None:
    await service.carry_out(resources, job_id)


@task(name="integrations.give_up")
@exhausted
async def give_up_export(resources: Resources, job: GivenUp) -> None:
    async with resources.db.unit_of_work() as db:
        await service.give_up(db, UUID(job.subject), job.job_id, reason=job.reason)
