"""One operation on many tickets. The end of each run starts the next, in the same transaction: there is no message to
lose and no process that has to stay alive in between. The person who asked is told how far it is.
"""

import uuid
from collections import Counter
from collections.abc import Iterable
from typing import Literal, TypedDict

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.agents.errors import BatchOperationRefused
from app.agents.events import BatchProgressed
from app.agents.repository import BatchRepository
from app.agents.schemas import BatchItemOut, BatchOut
from app.agents.service.requesting import request
from app.core.auth import Principal, Role
from app.core.clock import now
from app.inference.operations import Operation
from app.models.agent import AgentBatch, AgentBatchItem, AgentRun, RunStatus
from app.models.base import uuid7
from app.outbox import writer as outbox
from app.tickets import service as tickets
from app.tickets.errors import TicketMissing

BATCHED = frozenset({Operation.CATEGORIZE, Operation.TRIAGE})
"""What an agent makes of a ticket's words alone, changing nothing."""
ENDED = (RunStatus.COMPLETED, RunStatus.FAILED)
PENDING = "pending"
"""A ticket whose run was not asked for yet."""


class _Counts(TypedDict):
    status: Literal["running", "completed"]
    total: int
    pending: int
    running: int
    completed: int
    failed: int


async def start_batch(
    db: AsyncSession, who: Principal, *, operation: Operation, ticket_ids: list[int], parallelism: int
) -> BatchOut:
    """Raises TicketMissing for what the person may not see, BatchOperationRefused for what changes something."""
    if operation not in BATCHED:
        raise BatchOperationRefused
    batch = AgentBatch(
        id=uuid7(),
        user_id=who.user_id,
        operation=operation,
        parallelism=parallelism,
        scopes=None if who.scopes is None else sorted(who.scopes),
    )
    db.add(batch)
    await db.flush()
    for position, ticket_id in enumerate(ticket_ids):
        try:
            ticket = await tickets.get(db, who, ticket_id)
        except TicketMissing as error:
            raise TicketMissing(f"There is no ticket {ticket_id} that you may see; nothing was started.") from error
        words = f"{ticket.title}\n\n{ticket.description}"
        db.add(AgentBatchItem(batch_id=batch.id, position=position, ticket_id=ticket_id, words=words))
    await db.flush()
    await _start_some(db, batch)
    await _tell(db, batch, None)
    return await batch_shown(db, who, batch.id)


async def go_on(db: AsyncSession, run: AgentRun) -> None:
    """To be called in the unit of work that ends a run: the batch it belongs to, if any, starts the next."""
    await db.flush()
    query = (
        select(AgentBatch)
        .join(AgentBatchItem, AgentBatchItem.batch_id == AgentBatch.id)
        .where(AgentBatchItem.run_id == run.id)
        .with_for_update(of=AgentBatch)
    )
    batch = (await db.execute(query)).scalar_one_or_none()
    if batch is not None:
        await _start_some(db, batch)
        await _tell(db, batch, run)


async def batch_shown(db: AsyncSession, who: Principal, batch_id: uuid.UUID) -> BatchOut:
    batches = BatchRepository(db, who)
    batch = await batches.get(batch_id)
    items = [
        BatchItemOut(
            ticket_id=item.ticket_id,
            run_id=item.run_id,
            status=PENDING if run is None else run.status,
            result=None if run is None else run.result,
            error=None if run is None else run.error,
        )
        for item, run in await batches.items(batch)
    ]
    return BatchOut(
        batch_id=batch.id,
        operation=batch.operation,
        **_counted(item.status for item in items),
        created_at=batch.created_at,
        items=items,
    )


async def _start_some(db: AsyncSession, batch: AgentBatch) -> None:
    """As many as may run beside those that do. The batch is held, so that two ends at once do not start one twice."""
    under_way = (
        select(func.count())
        .select_from(AgentBatchItem)
        .join(AgentRun, AgentRun.id == AgentBatchItem.run_id)
        .where(AgentBatchItem.batch_id == batch.id, AgentRun.status.not_in(ENDED))
    )
    free = batch.parallelism - (await db.execute(under_way)).scalar_one()
    waiting = (
        select(AgentBatchItem)
        .where(AgentBatchItem.batch_id == batch.id, AgentBatchItem.run_id.is_(None))
        .order_by(AgentBatchItem.position)
        .limit(max(free, 0))
    )
    # The run itself looks up what its person may do; asking for it needs only who that is.
    scopes = None if batch.scopes is None else frozenset(batch.scopes)
    who = Principal(batch.user_id, "", Role.CUSTOMER, scopes)
    for item in (await db.execute(waiting)).scalars().all():
        document = {"user_input": item.words}
        run, _again = await request(db, who, operation=Operation(batch.operation), document=document, files=[])
        item.run_id = run.id
    await db.flush()


async def _tell(db: AsyncSession, batch: AgentBatch, ended: AgentRun | None) -> None:
    """The batch is held: what is told later counts more."""
    of_batch = select(AgentBatchItem.ticket_id, AgentRun.id, AgentRun.status)
    of_batch = of_batch.outerjoin(AgentRun, AgentRun.id == AgentBatchItem.run_id)
    rows = (await db.execute(of_batch.where(AgentBatchItem.batch_id == batch.id))).all()
    outbox.add(
        db,
        BatchProgressed(
            batch_id=batch.id,
            user_id=batch.user_id,
            operation=batch.operation,
            **_counted(row.status or PENDING for row in rows),
            ticket_id=next((row.ticket_id for row in rows if ended is not None and row.id == ended.id), None),
            run_id=None if ended is None else ended.id,
            timestamp=now(),
        ),
    )


def _counted(states: Iterable[str]) -> _Counts:
    counts = Counter(states)
    total, pending = counts.total(), counts[PENDING]
    completed, failed = counts[RunStatus.COMPLETED], counts[RunStatus.FAILED]
    under_way = total - pending - completed - failed
    return {
        "status": "running" if pending or under_way else "completed",
        "total": total,
        "pending": pending,
        "running": under_way,
        "completed": completed,
        "failed": failed,
    }
