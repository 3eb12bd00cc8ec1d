import uuid
from collections.abc import Sequence

from sqlalchemy import Select, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer

from app.agents.errors import BatchMissing, RunMissing
from app.core.repository import Repository
from app.models.agent import AgentBatch, AgentBatchItem, AgentRun, AgentToolCall, RunStatus
from app.models.file import File, ProcessingStatus
from app.models.job import Job
from app.models.spending import ModelCallRow

UNFINISHED = (ProcessingStatus.PENDING, ProcessingStatus.PROCESSING)


class RunRepository(Repository[AgentRun]):
    """Everybody sees the runs they asked for, staff all of them."""

    model = AgentRun
    missing = RunMissing

    def visible(self) -> Select[AgentRun]:
        query = select(AgentRun)
        if self.who.is_staff:
            return query
        return query.where(AgentRun.user_id == self.who.user_id, AgentRun.internal.is_(False))

    async def own_by_key(self, key: str) -> AgentRun | None:
        """The person's own run of an Idempotency-Key; staff do not meet others' keys here."""
        query = select(AgentRun).where(AgentRun.user_id == self.who.user_id, AgentRun.idempotency_key == key)
        return (await self.db.execute(query)).scalar_one_or_none()

    async def tool_calls(self, run: AgentRun) -> Sequence[AgentToolCall]:
        query = select(AgentToolCall).where(AgentToolCall.run_id == run.id).order_by(AgentToolCall.position)
        return (await self.db.execute(query)).scalars().all()

    async def model_calls(self, run: AgentRun) -> Sequence[ModelCallRow]:
        query = select(ModelCallRow).where(ModelCallRow.run_id == run.id).order_by(ModelCallRow.id)
        return (await self.db.execute(query)).scalars().all()


class BatchRepository(Repository[AgentBatch]):
    """Everybody sees their own batches, staff all of them."""

    model = AgentBatch
    missing = BatchMissing

    def visible(self) -> Select[AgentBatch]:
        query = select(AgentBatch)
        return query if self.who.is_staff else query.where(AgentBatch.user_id == self.who.user_id)

    async def items(self, batch: AgentBatch) -> list[tuple[AgentBatchItem, AgentRun | None]]:
        query = (
            select(AgentBatchItem, AgentRun)
            .outerjoin(AgentRun, AgentRun.id == AgentBatchItem.run_id)
            .where(AgentBatchItem.batch_id == batch.id)
            .order_by(AgentBatchItem.position)
        )
        return [(item, run) for item, run in await self.db.execute(query)]


async def run_of_job(db: AsyncSession, job_id: uuid.UUID, *, lock: bool = False) -> AgentRun:
    query = select(AgentRun).where(AgentRun.job_id == job_id)
    return (await db.execute(query.with_for_update() if lock else query)).scalar_one()


async def locked(db: AsyncSession, run_id: uuid.UUID) -> AgentRun:
    query = select(AgentRun).where(AgentRun.id == run_id).with_for_update()
    return (await db.execute(query.execution_options(populate_existing=True))).scalar_one()


async def attempts(db: AsyncSession, run: AgentRun) -> int:
    return (await db.execute(select(Job.attempts).where(Job.id == run.job_id))).scalar_one()


async def unfinished_files(db: AsyncSession, ids: Sequence[uuid.UUID]) -> int:
    if not ids:
        return 0
    query = select(func.count()).where(File.id.in_(ids), File.processing_status.in_(UNFINISHED))
    return (await db.execute(query)).scalar_one()


async def files_in_order(db: AsyncSession, ids: Sequence[uuid.UUID], *, text: bool = False) -> list[File]:
    if not ids:
        return []
    query = select(File).where(File.id.in_(ids))
    rows = (await db.execute(query.options(undefer(File.text)) if text else query)).scalars().all()
    by_id = {row.id: row for row in rows}
    return [by_id[one] for one in ids if one in by_id]


async def wake_waiting(db: AsyncSession, file_id: uuid.UUID) -> Sequence[uuid.UUID]:
    """Runs that wait for this file leave the waiting state, each exactly once; their jobs are returned."""
    query = (
        update(AgentRun)
        .where(AgentRun.status == RunStatus.WAITING, AgentRun.request["files"].contains([str(file_id)]))
        .values(status=RunStatus.QUEUED)
        .returning(AgentRun.job_id)
        .execution_options(synchronize_session=False)
    )
    return (await db.execute(query)).scalars().all()


async def stop_waiting(db: AsyncSession, run_id: uuid.UUID) -> bool:
    """Compare and set: False when somebody else has woken it already."""
    query = (
        update(AgentRun)
        .where(AgentRun.id == run_id, AgentRun.status == RunStatus.WAITING)
        .values(status=RunStatus.QUEUED)
        .returning(AgentRun.id)
        .execution_options(synchronize_session=False)
    )
    return (await db.execute(query)).one_or_none() is not None
