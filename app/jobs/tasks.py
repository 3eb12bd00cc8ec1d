"""What every task does that works on a job: it yields to whoever else has the job, and one that is given up is told of.

The decorators stand below `core.tasks.task`. When the claim is lost the task ends without an error: somebody else goes
on with the job, and nothing of this attempt was kept.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from app.core.resources import Resources
from app.jobs import claims, service
from app.jobs.errors import ClaimLost
from app.jobs.service import Claim

OnJob = Callable[[Resources, UUID], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A job that failed as often as it may. `reason` is read by people."""

    job_id: UUID
    subject: str
    stage: str | None
    reason: str


def yielding(handler: OnJob) -> OnJob:
    """For a handler that takes the job's id and calls a service that holds it."""

    async def run(resources: Resources, job_id: UUID) -> None:
        with suppress(ClaimLost):
            await handler(resources, job_id)

    return run


def claimed(handler: Callable[[Resources, Claim], Awaitable[None]]) -> OnJob:
    """For a handler that works on the claim and settles it. It is not called while another holds the job."""

    @yielding
    async def run(resources: Resources, job_id: UUID) -> None:
        async with claims.hold(resources, job_id) as claim:
            if claim is not None:
                await handler(resources, claim)

    return run


def exhausted(handler: Callable[[Resources, GivenUp], Awaitable[None]]) -> OnJob:
    """For a handler that says what the end of a job means for its subject. It may be called twice."""

    async def run(resources: Resources, job_id: UUID) -> None:
        async with resources.db.session() as db:
            job = await service.find(db, job_id)
        if job is not None:
            await handler(resources, GivenUp(job_id, job.subject, job.stage, job.error or "Given up."))

    return run
