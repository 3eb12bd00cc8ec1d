"""Passing tickets on, in a worker."""

from uuid import UUID

from app.core.resources import Resources
from app.core.tasks import task
from app.integrations import service
from app.jobs.errors import ClaimLost


@task(name="integrations.export", time_limit=180)
async def export_ticket(resources: Resources, job_id: UUID) -> None:
    try:
        await service.carry_out(resources, UUID(str(job_id)))
    except ClaimLost:
        # Somebody else goes on with it, and looks for what this attempt has made.
        return


@task(name="integrations.give_up")
async def give_up_export(resources: Resources, job_id: UUID) -> None:
    async with resources.db.unit_of_work() as db:
        await service.give_up(db, UUID(str(job_id)))
