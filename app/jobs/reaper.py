"""Finding jobs that nobody works on though somebody should: the worker died, or the message to it was lost."""

from datetime import timedelta

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import now
from app.core.settings import JobSettings
from app.core.telemetry import get_logger
from app.jobs.events import JobDue, JobExhausted
from app.models.job import Job, JobState
from app.outbox import writer as outbox

log = get_logger(__name__)

AT_ONCE = 500
PATIENCE_MOST = timedelta(hours=1)


async def due(db: AsyncSession, settings: JobSettings) -> int:
    """Dispatch again what was queued too long or whose lease ran out; give up what failed too often. How many.

    Rows that another relay looks at are passed over. A job in a long queue is knocked for ever more rarely, so that
    a backlog does not fill the broker with messages about itself.
    """
    moment = func.clock_timestamp()
    unclaimed = (Job.state == JobState.QUEUED) & (Job.due_at < moment - timedelta(seconds=settings.claim_seconds))
    abandoned = (Job.state == JobState.RUNNING) & (Job.lease_expires_at < moment)
    jobs = (
        (
            await db.execute(
                select(Job)
                .where(or_(unclaimed, abandoned))
                .order_by(Job.due_at)
                .limit(AT_ONCE)
                .with_for_update(skip_locked=True)
            )
        )
        .scalars()
        .all()
    )
    for job in jobs:
        if job.attempts >= settings.max_attempts:
            _give_up(db, job)
        else:
            _dispatch(db, job)
    return len(jobs)


def _dispatch(db: AsyncSession, job: Job) -> None:
    log.warning("job_dispatched_again", job=str(job.id), kind=job.kind, was=job.state, attempts=job.attempts)
    waited = min(now() - job.created_at, PATIENCE_MOST) if job.state == JobState.QUEUED else timedelta()
    job.state, job.claim, job.lease_expires_at = JobState.QUEUED, None, None
    job.due_at = now() + waited
    outbox.add(db, JobDue(job_id=job.id, kind=job.kind, subject=job.subject), carrier=job.carrier)


def _give_up(db: AsyncSession, job: Job) -> None:
    reason = f"Given up after {job.attempts} attempts: the worker that had it last went silent."
    log.error("job_exhausted", job=str(job.id), kind=job.kind, attempts=job.attempts)
    job.state, job.claim, job.lease_expires_at = JobState.FAILED, None, None
    job.error, job.finished_at = reason, now()
    event = JobExhausted(job_id=job.id, kind=job.kind, subject=job.subject, reason=reason)
    outbox.add(db, event, carrier=job.carrier)
