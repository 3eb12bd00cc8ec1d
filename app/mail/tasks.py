"""Mail in the worker. Rows say what is due; each may come twice, or late, and changes nothing then."""

from uuid import UUID

from app.core.resources import Resources
from app.core.tasks import task
from app.jobs.errors import ClaimLost
from app.mail import service


@task(name="mail.take_in", time_limit=300)
async def take_in(resources: Resources, job_id: UUID) -> None:
    try:
        await service.take_in(resources, UUID(str(job_id)))
    except ClaimLost:
        # Somebody else goes on with it; nothing of this attempt was kept.
        return


@task(name="mail.give_up_taking")
async def give_up_taking(resources: Resources, job_id: UUID) -> None:
    async with resources.db.unit_of_work() as db:
        await service.give_up_taking(db, UUID(str(job_id)))


@task(name="mail.put_on_way")
async def put_on_way(resources: Resources, said_id: UUID) -> None:
    async with resources.db.unit_of_work() as db:
        await service.put_on_way(db, resources.settings, UUID(str(said_id)))


@task(name="mail.send", time_limit=300)
async def send(resources: Resources, job_id: UUID) -> None:
    try:
        await service.send(resources, UUID(str(job_id)))
    except ClaimLost:
        return


@task(name="mail.give_up_sending")
async def give_up_sending(resources: Resources, job_id: UUID) -> None:
    async with resources.db.unit_of_work() as db:
        await service.give_up_sending(db, UUID(str(job_id)))


@task(name="mail.hang")
async def hang(resources: Resources, session_id: UUID) -> None:
    async with resources.db.unit_of_work() as db:
        await service.hang(db, UUID(str(session_id)))
