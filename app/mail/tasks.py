"""Mail in the worker. Rows say what is due; each may come twice, or late, and changes nothing then."""

from uuid import UUID

from app.core.resources import Resources
from app.core.tasks import task
from app.jobs.tasks import GivenUp, exhausted, yielding
from app.mail import service


@task(name="mail.take_in", time_limit=300)
@yielding
async def take_in(resources: Resources, job_id: UUID) -> None:
    await service.take_in(resources, job_id)


@task(name="mail.give_up_taking")
@exhausted
async def give_up_taking(resources: Resources, job: GivenUp) -> None:
    async with resources.db.unit_of_work() as db:
        await service.give_up_taking(db, UUID(job.subject), reason=job.reason)


@task(name="mail.put_on_way")
async def put_on_way(resources: Resources, said_id: UUID) -> None:
    async with resources.db.unit_of_work() as db:
        await service.put_on_way(db, resources.settings, said_id)


@task(name="mail.send", time_limit=300)
@yielding
async def send(resources: Resources, job_id: UUID) -> None:
    await service.send(resources, job_id)


@task(name="mail.give_up_sending")
@exhausted
async def give_up_sending(resources: Resources, job: GivenUp) -> None:
    async with resources.db.unit_of_work() as db:
        await service.give_up_sending(db, job.job_id, reason=job.reason)


@task(name="mail.send_confirmation", time_limit=300)
@yielding
async def send_confirmation(resources: Resources, job_id: UUID) -> None:
    await service.send_confirmation(resources, job_id)


@task(name="mail.hang")
async def hang(resources: Resources, session_id: UUID) -> None:
    async with resources.db.unit_of_work() as db:
        await service.hang(db, session_id)
