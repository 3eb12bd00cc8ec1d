"""Jobs as rows: made with their cause, settled with their results, always by whoever holds the claim.

`create` writes the first `JobDue` itself. A task gets the job's id and works inside `claims.hold`.
"""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import now
from app.core.telemetry import inject
from app.jobs.errors import ClaimLost
from app.jobs.events import JobDue
from app.models.base import uuid7
from app.models.job import Job, JobState
from app.outbox import writer as outbox

_RESTS_A_WAIT = 4
"""A job that waited four minutes rests one more: many of them do not storm what is back."""


@dataclass(slots=True)
class Claim:
    """The right to settle a job. `token` is its fence: nothing is written by one who holds an older token."""

    job_id: uuid.UUID
    kind: str
    subject: str
    attempt: int
    token: str
    settled: bool = field(default=False, compare=False)
    postponed: bool = field(default=False, compare=False)
    """Settled, but without a result."""


def create(db: AsyncSession, *, kind: str, subject: str, start: bool = True) -> Job:
    """A queued job and, if `start`, its dispatch; its id is known at once.

    With `start=False` it lies until `dispatch` is called, or until the reaper finds that it waits too long.
    """
    job = Job(id=uuid7(), kind=kind, subject=subject, state=JobState.QUEUED, carrier=inject())
    db.add(job)
    if start:
        outbox.add(db, JobDue(job_id=job.id, kind=kind, subject=subject))
    return job


async def create_missing(db: AsyncSession, *, kind: str, subjects: Mapping[uuid.UUID, str]) -> int:
    """Of these jobs, by id, those that do not exist yet in whatever state; queued and dispatched. How many."""
    if not subjects:
        return 0
    carrier = inject()
    rows = [
        {"id": job_id, "kind": kind, "subject": subject, "state": JobState.QUEUED, "carrier": carrier}
        for job_id, subject in sorted(subjects.items())
    ]
    made = await db.execute(insert(Job).values(rows).on_conflict_do_nothing().returning(Job.id))
    ids = made.scalars().all()
    for job_id in ids:
        outbox.add(db, JobDue(job_id=job_id, kind=kind, subject=subjects[job_id]))
    return len(ids)


async def dispatch(db: AsyncSession, job_id: uuid.UUID) -> bool:
    """Knock for a queued job now. False when it is not queued: running or settled."""
    return await _knock(db, job_id, {JobState.QUEUED})


async def restart(db: AsyncSession, job_id: uuid.UUID) -> bool:
    """A settled job once more, with all its attempts before it. False when it is not settled."""
    return await _knock(
        db,
        job_id,
        {JobState.SUCCEEDED, JobState.FAILED},
        state=JobState.QUEUED,
        stage=None,
        progress=0.0,
        error=None,
        attempts=0,
        finished_at=None,
        claim=None,
        carrier=inject(),
    )


async def _knock(db: AsyncSession, job_id: uuid.UUID, states: Collection[JobState], **values: Any) -> bool:
    """Have a job done now that is in one of these states; False when it is not."""
    row = (
        await db.execute(
            update(Job)
            .where(Job.id == job_id, Job.state.in_(states))
            .values(due_at=func.clock_timestamp(), **values)
            .returning(Job.kind, Job.subject)
            .execution_options(synchronize_session=False)
        )
    ).one_or_none()
    if row is None:
        return False
    outbox.add(db, JobDue(job_id=job_id, kind=row.kind, subject=row.subject))
    return True


async def progress(db: AsyncSession, claim: Claim, *, stage: str, fraction: float) -> None:
    """Raises ClaimLost when the claim no longer holds."""
    await _write(db, claim, stage=stage, progress=min(max(fraction, 0.0), 1.0))


async def succeed(db: AsyncSession, claim: Claim) -> None:
    """In the unit of work that stores the results. Raises ClaimLost, and then nothing of it may be kept."""
    await _write(db, claim, **_ended(JobState.SUCCEEDED), progress=1.0, error=None)
    claim.settled = True


async def fail(db: AsyncSession, claim: Claim, *, reason: str) -> None:
    """For good: trying again would not help. `reason` is read by people. Raises ClaimLost."""
    await _write(db, claim, **_ended(JobState.FAILED), error=reason)
    claim.settled = True


async def postpone(db: AsyncSession, claim: Claim, *, until: datetime | None) -> None:
    """Give the job back without counting the attempt; None: until `dispatch` is called. Raises ClaimLost."""
    due = until or now()
    values = {"state": JobState.QUEUED, "lease_expires_at": None, "due_at": due, "attempts": Job.attempts - 1}
    await _write(db, claim, **values)
    if until is not None:
        outbox.add(db, JobDue(job_id=claim.job_id, kind=claim.kind, subject=claim.subject), not_before=until)
    claim.settled = claim.postponed = True


async def rest(db: AsyncSession, claim: Claim, *, first: timedelta, most: timedelta) -> None:
    """Postpone it because what it needs is away; the longer it has waited, the longer. Raises ClaimLost."""
    job = await find(db, claim.job_id)
    waited = now() - job.created_at if job is not None else first
    await postpone(db, claim, until=now() + min(max(waited / _RESTS_A_WAIT, first), most))


async def wait(db: AsyncSession, claim: Claim, *, most: timedelta) -> None:
    """Give the job back until others `conclude` it; the reaper looks at it after `most`. Raises ClaimLost."""
    due = func.clock_timestamp() + most
    values = {"state": JobState.QUEUED, "lease_expires_at": None, "due_at": due, "attempts": Job.attempts - 1}
    await _write(db, claim, **values)
    claim.settled = claim.postponed = True


async def note(db: AsyncSession, job_id: uuid.UUID, *, stage: str, fraction: float) -> None:
    """How far others are with a job that waits for them; never less than before."""
    await db.execute(
        update(Job)
        .where(Job.id == job_id, Job.state == JobState.QUEUED)
        .values(stage=stage, progress=func.greatest(Job.progress, min(max(fraction, 0.0), 1.0)))
        .execution_options(synchronize_session=False)
    )


async def conclude(db: AsyncSession, job_id: uuid.UUID, *, error: str | None = None) -> None:
    """Settle a job that waited: its results are there, or never will be. Whoever may look at it just now loses it."""
    ended = _ended(JobState.SUCCEEDED if error is None else JobState.FAILED)
    progress = {} if error is not None else {"progress": 1.0}
    await db.execute(
        update(Job)
        .where(Job.id == job_id, Job.state.in_([JobState.QUEUED, JobState.RUNNING]))
        .values(**ended, **progress, claim=None, error=error)
        .execution_options(synchronize_session=False)
    )


async def requeue(db: AsyncSession, claim: Claim, *, due_at: datetime, error: str) -> None:
    """The attempt counts and another will follow; whoever calls this sees to the dispatch. Raises ClaimLost."""
    await _write(db, claim, state=JobState.QUEUED, lease_expires_at=None, due_at=due_at, error=error)
    claim.settled = True


async def find(db: AsyncSession, job_id: uuid.UUID) -> Job | None:
    """Access is the caller's affair: a job is seen through the file or run it belongs to."""
    return await db.get(Job, job_id)


def _ended(state: JobState) -> dict[str, Any]:
    return {"state": state, "lease_expires_at": None, "finished_at": func.clock_timestamp()}


async def _write(db: AsyncSession, claim: Claim, **values: Any) -> None:
    held = await db.execute(
        update(Job)
        .where(Job.id == claim.job_id, Job.state == JobState.RUNNING, Job.claim == claim.token)
        .values(**values)
        .returning(Job.id)
        .execution_options(synchronize_session=False)
    )
    if held.one_or_none() is None:
        raise ClaimLost(f"job {claim.job_id}, attempt {claim.attempt}")
