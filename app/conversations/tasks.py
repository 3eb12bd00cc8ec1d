"""Conversations in the worker. Rows say what is due; each may come twice, or late, and changes nothing then."""

from uuid import UUID

from app.conversations import service
from app.core.resources import Resources
from app.core.tasks import task
from app.jobs import service as jobs
from app.jobs.service import Claim
from app.jobs.tasks import GivenUp, claimed, exhausted, yielding


@task(name="conversations.turn", time_limit=300)
@yielding
async def take_turn(resources: Resources, job_id: UUID) -> None:
    await service.take_turn(resources, job_id)


@task(name="conversations.give_up")
@exhausted
async def give_up_turn(resources: Resources, job: GivenUp) -> None:
    await service.give_up(resources, UUID(job.subject))


@task(name="conversations.rescue")
@claimed
async def rescue(resources: Resources, claim: Claim) -> None:
    await service.give_up(resources, UUID(claim.subject))
    async with resources.db.unit_of_work() as db:
        await jobs.succeed(db, claim)


@task(name="conversations.follow")
async def follow(resources: Resources, ticket_id: int) -> None:
    async with resources.db.unit_of_work() as db:
        await service.follow(db, int(ticket_id))


@task(name="conversations.follow_job")
@claimed
async def follow_job(resources: Resources, claim: Claim) -> None:
    async with resources.db.unit_of_work() as db:
        await service.follow(db, int(claim.subject))
        await jobs.succeed(db, claim)


@task(name="conversations.overdue")
@claimed
async def overdue(resources: Resources, claim: Claim) -> None:
    async with resources.db.unit_of_work() as db:
        await service.mark_overdue(db, int(claim.subject))
        await jobs.succeed(db, claim)


@task(name="conversations.recap", time_limit=600)
@yielding
async def recap(resources: Resources, job_id: UUID) -> None:
    await service.recap(resources, job_id)


@task(name="conversations.recheck", time_limit=900)
@claimed
async def recheck(resources: Resources, claim: Claim) -> None:
    """One conversation after the other, each in a transaction of its own: done again, it changes nothing."""
    document_id = UUID(claim.subject)
    async with resources.db.session() as db:
        sessions = await service.citing(db, document_id)
    for session_id in sessions:
        async with resources.db.unit_of_work() as db:
            await service.recheck(db, session_id, document_id)
    async with resources.db.unit_of_work() as db:
        await jobs.succeed(db, claim)
