"""Holding a job: a lease that is renewed while the work goes on, and given up when it fails.

The lease is what makes a killed worker's job somebody else's; the token is what makes the killed one harmless should
it live after all.
"""

import asyncio
import secrets
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.backoff import doubled
from app.core.clock import now
from app.core.db import DATABASE_AWAY, Database
from app.core.metrics import JOB_SECONDS
from app.core.resources import Resources
from app.core.telemetry import get_logger
from app.jobs import service
from app.jobs.errors import ClaimLost
from app.jobs.events import JobDue, JobExhausted
from app.jobs.service import Claim
from app.models.job import Job, JobState
from app.outbox import writer as outbox

log = get_logger(__name__)

REST_FIRST_SECONDS = 2.0
REST_MOST_SECONDS = 120.0


def _lease_end(seconds: float) -> ColumnElement[object]:
    # The database's clock alone decides, so that machines need not agree on the time.
    return func.clock_timestamp() + timedelta(seconds=seconds)


async def claim(resources: Resources, job_id: uuid.UUID) -> Claim | None:
    """Take the job, in a transaction of its own; None when another holds it, it is settled, or it is worn out."""
    settings = resources.settings.jobs
    token = secrets.token_hex(16)
    free = or_(
        Job.state == JobState.QUEUED,
        (Job.state == JobState.RUNNING) & (Job.lease_expires_at < func.clock_timestamp()),
    )
    async with resources.db.unit_of_work() as db:
        row = (
            await db.execute(
                update(Job)
                .where(Job.id == job_id, free, Job.attempts < settings.max_attempts)
                .values(
                    state=JobState.RUNNING,
                    claim=token,
                    attempts=Job.attempts + 1,
                    lease_expires_at=_lease_end(settings.lease_seconds),
                    stage=None,
                    progress=0.0,
                    error=None,
                )
                .returning(Job.kind, Job.subject, Job.attempts)
                .execution_options(synchronize_session=False)
            )
        ).one_or_none()
    if row is None:
        return None
    return Claim(job_id, row.kind, row.subject, row.attempts, token)


@asynccontextmanager
async def hold(resources: Resources, job_id: uuid.UUID) -> AsyncIterator[Claim | None]:
    """`async with hold(resources, job_id) as claim:` and then, unless it is None, work and settle it in the block.

    The lease is renewed from a connection of its own, so the block must not stop the event loop: long computation goes
    to a thread or process. When the claim is lost, or could not be renewed in time, the block is cancelled and
    ClaimLost raised. When the block fails or does not settle the job, it is queued again after a rest, or is given up.
    """
    lease = resources.settings.jobs.lease_seconds
    started = time.monotonic()
    held = await claim(resources, job_id)
    if held is None:
        yield None
        return
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout_at(loop.time() + lease - (time.monotonic() - started)) as deadline:
            beat = asyncio.create_task(_beat(resources.db, held, lease, deadline), name=f"heartbeat {job_id}")
            try:
                yield held
            finally:
                beat.cancel()
                await asyncio.wait([beat])
    except BaseException as error:
        if isinstance(error, TimeoutError) and deadline.expired():
            log.warning("claim_lost", job=str(job_id), kind=held.kind, attempt=held.attempt)
            raise ClaimLost(f"job {job_id}, attempt {held.attempt}") from error
        if not isinstance(error, ClaimLost):
            await _give_back(resources, held, type(error).__name__)
        raise
    if not held.settled:
        await _give_back(resources, held, "ended without an outcome")
    elif not held.postponed:
        await JOB_SECONDS.observe(resources.redis, time.monotonic() - started, held.kind)


async def _beat(database: Database, held: Claim, lease: float, deadline: asyncio.Timeout) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(lease / 3)
        sent = loop.time()
        try:
            async with database.unit_of_work() as db:
                renewed = await _renew(db, held, lease)
        except DATABASE_AWAY as error:
            # The deadline stands: without a renewal in time the block ends by itself.
            log.warning("lease_not_renewed", job=str(held.job_id), error=type(error).__name__)
            continue
        if deadline.expired():
            return
        if renewed is None:
            deadline.reschedule(None)
            return
        deadline.reschedule(sent + lease if renewed else sent)


async def _renew(db: AsyncSession, held: Claim, lease: float) -> bool | None:
    """True: renewed. False: lost. None: the holder has settled it itself, so there is nothing to renew."""
    mine = await db.execute(
        update(Job)
        .where(Job.id == held.job_id, Job.state == JobState.RUNNING, Job.claim == held.token)
        .values(lease_expires_at=_lease_end(lease))
        .returning(Job.id)
        .execution_options(synchronize_session=False)
    )
    if mine.one_or_none() is not None:
        return True
    token = (await db.execute(select(Job.claim).where(Job.id == held.job_id))).scalar_one_or_none()
    return None if token == held.token else False


async def _give_back(resources: Resources, held: Claim, error: str) -> None:
    """Queue it again after a rest, or give it up; if even that fails, the lease runs out and the reaper does it."""
    try:
        async with resources.db.unit_of_work() as db:
            await release(db, held, error=error, max_attempts=resources.settings.jobs.max_attempts)
    except (*DATABASE_AWAY, ClaimLost) as failure:
        log.warning("job_not_released", job=str(held.job_id), error=type(failure).__name__)


async def end_attempt(db: AsyncSession, held: Claim, *, reason: str, passing: bool, max_attempts: int) -> None:
    """It failed: for what may pass, which is tried again, or for good. Raises ClaimLost."""
    if passing:
        await release(db, held, error=reason.rstrip("."), max_attempts=max_attempts)
    else:
        await service.fail(db, held, reason=reason)


async def release(db: AsyncSession, held: Claim, *, error: str, max_attempts: int) -> None:
    """The attempt failed: another after a rest, or none if there were `max_attempts`. Raises ClaimLost."""
    if held.attempt >= max_attempts:
        reason = f"Given up after {held.attempt} attempts; the last one ended with: {error}."
        await service.fail(db, held, reason=reason)
        outbox.add(db, JobExhausted(job_id=held.job_id, kind=held.kind, subject=held.subject, reason=reason))
        log.error("job_exhausted", job=str(held.job_id), kind=held.kind, error=error)
        return
    due = now() + timedelta(seconds=doubled(held.attempt, first=REST_FIRST_SECONDS, most=REST_MOST_SECONDS))
    await service.requeue(db, held, due_at=due, error=error)
    outbox.add(db, JobDue(job_id=held.job_id, kind=held.kind, subject=held.subject), not_before=due)
    log.warning("job_requeued", job=str(held.job_id), kind=held.kind, attempt=held.attempt, error=error)
