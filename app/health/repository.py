"""Counts over the tables that work waits in. Not by viewer: they name nobody."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import now
from app.models.file import File, ScanStatus
from app.models.job import Job, JobState
from app.models.outbox import OutboxRow, OutboxState


@dataclass(frozen=True, slots=True)
class Backlog:
    """Rows in one state, and how many seconds the oldest has been due."""

    name: str
    state: str
    count: int
    oldest_seconds: float


async def outbox_backlog(db: AsyncSession) -> Sequence[Backlog]:
    rows = await db.execute(
        select(OutboxRow.state, func.count(), func.min(OutboxRow.created_at))
        .where(OutboxRow.state.in_([OutboxState.PENDING, OutboxState.DEAD]))
        .group_by(OutboxRow.state)
    )
    found = {state: Backlog("outbox", state, count, _age(oldest)) for state, count, oldest in rows}
    return [found.get(state, Backlog("outbox", state, 0, 0.0)) for state in (OutboxState.PENDING, OutboxState.DEAD)]


async def job_backlog(db: AsyncSession) -> Sequence[Backlog]:
    rows = await db.execute(
        select(Job.kind, Job.state, func.count(), func.min(Job.due_at))
        .where(Job.state.in_([JobState.QUEUED, JobState.RUNNING]))
        .group_by(Job.kind, Job.state)
    )
    return [Backlog(kind, state, count, _age(oldest)) for kind, state, count, oldest in rows]


async def scan_backlog(db: AsyncSession) -> Sequence[Backlog]:
    waiting = (ScanStatus.RECEIVED, ScanStatus.SCANNING, ScanStatus.QUARANTINED)
    rows = await db.execute(
        select(File.scan_status, func.count(), func.min(File.created_at))
        .where(File.scan_status != ScanStatus.CLEAN)
        .group_by(File.scan_status)
    )
    found = {state: Backlog("files", state, count, _age(oldest)) for state, count, oldest in rows}
    return [found.get(state, Backlog("files", state, 0, 0.0)) for state in waiting]


def _age(since: datetime) -> float:
    return max(0.0, (now() - since).total_seconds())
