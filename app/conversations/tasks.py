"""Conversations in the worker. Rows say what is due; each may come twice, or late, and changes nothing then."""

from uuid import UUID

from app.conversations import service
from app.core.resources import Resources
from app.core.tasks import task
from app.jobs import claims
from app.jobs import service as jobs
from app.jobs.errors import ClaimLost


@task(name="conversations.turn", time_limit=300)
async def take_turn(resources: Resources, job_id: UUID) -> None:
    try:
        await service.take_turn(resources, UUID(str(job_id)))
    except ClaimLost:
        # Somebody else goes on with it; nothing of this attempt was kept.
        return


@task(name="conversations.give_up")
async def give_up_turn(resources: Resources, job_id: UUID) -> None:
    async with resources.db.session() as db:
        job = await jobs.find(db, UUID(str(job_id)))
    if job is not None:
        await service.give_up(resources, UUID(job.subject))


@task(name="conversations.rescue")
async def rescue(resources: Resources, job_id: UUID) -> None:
    try:
        async with claims.hold(resources, UUID(str(job_id))) as claim:
            if claim is not None:
                await service.give_up(resources, UUID(claim.subject))
                async with resources.db.unit_of_work() as db:
                    await jobs.succeed(db, claim)
    except ClaimLost:
        return


@task(name="conversations.follow")
async def follow(resources: Resources, ticket_id: int) -> None:
    async with resources.db.unit_of_work() as db:
        await service.follow(db, int(ticket_id))


@task(name="conversations.follow_job")
async def follow_job(resources: Resources, job_id: UUID) -> None:
    try:
        async with claims.hold(resources, UUID(str(job_id))) as claim:
            if claim is not None:
                async with resources.db.unit_of_work() as db:
                    await service.follow(db, int(claim.subject))
                    await jobs.succeed(db, claim)
    except ClaimLost:
        return


@task(name="conversations.overdue")
async def overdue(resources: Resources, job_id: UUID) -> None:
    try:
        async with claims.hold(resources, UUID(str(job_id))) as claim:
            if claim is not None:
                async with resources.db.unit_of_work() as db:
                    await service.mark_overdue(db, int(claim.subject))
                    await jobs.succeed(db, claim)
    except ClaimLost:
        return


@task(name="conversations.recheck", time_limit=900)
async def recheck(resources: Resources, job_id: UUID) -> None:
    """One conversation after the other, each in a transaction of its own: done again, it changes nothing."""
    try:
        async with claims.hold(resources, UUID(str(job_id))) as claim:
            if claim is None:
                return
            document_id = UUID(claim.subject)
            async with resources.db.session() as db:
                sessions = await service.citing(db, document_id)
            for session_id in sessions:
                async with resources.db.unit_of_work() as db:
                    await service.recheck(db, session_id, document_id)
            async with resources.db.unit_of_work() as db:
                await jobs.succeed(db, claim)
    except ClaimLost:
        return
