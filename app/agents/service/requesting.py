"""Asking for a run: the row, its job and the message that starts it, in one transaction."""

import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.agents import repository
from app.agents.repository import RunRepository
from app.ai_config.catalogue import AGENT_OF
from app.core.auth import Principal
from app.core.clock import now
from app.core.db import Database
from app.core.idempotency import KEEP, IdempotencyConflict
from app.files import service as file_room
from app.inference.operations import Operation
from app.jobs import service as jobs
from app.models.agent import AgentRun, RunStatus
from app.models.base import uuid7

JOB_KIND = "agent_run"


@dataclass(frozen=True, slots=True)
class RepeatKey:
    """An Idempotency-Key with what it was first sent for."""

    key: str
    fingerprint: bytes


async def ask(
    database: Database,
    who: Principal,
    *,
    operation: Operation,
    document: dict[str, Any],
    files: list[uuid.UUID],
    repeat: RepeatKey | None = None,
) -> tuple[AgentRun, bool]:
    """`request` in a unit of work of its own, committed when this returns."""
    try:
        async with database.unit_of_work() as db:
            return await request(db, who, operation=operation, document=document, files=files, repeat=repeat)
    except _Overtaken:
        async with database.unit_of_work() as db:
            return await request(db, who, operation=operation, document=document, files=files, repeat=repeat)


async def request(
    db: AsyncSession,
    who: Principal,
    *,
    operation: Operation,
    document: dict[str, Any],
    files: list[uuid.UUID],
    repeat: RepeatKey | None = None,
    internal: bool = False,
) -> tuple[AgentRun, bool]:
    """The run, and whether it was asked for before with the same key. Raises FileMissing and IdempotencyConflict.

    An `internal` run is the desk's own work for staff: it acts as `who`, who does not see it if they are a customer.
    Two requests with one key that come at once meet at the unique constraint: the second waits for the first's commit.
    """
    runs = RunRepository(db, who)
    if repeat is not None and (known := await _known(runs, repeat)) is not None:
        return known, True
    for file_id in files:
        await file_room.get(db, who, file_id)
    run_id = uuid7()
    job = jobs.create(db, kind=JOB_KIND, subject=str(run_id))
    await db.flush()
    added = await db.execute(
        insert(AgentRun)
        .values(
            id=run_id,
            user_id=who.user_id,
            job_id=job.id,
            operation=operation,
            agent_type=AGENT_OF[operation],
            status=RunStatus.QUEUED,
            request={**document, "files": [str(file) for file in files]},
            scopes=None if who.scopes is None else sorted(who.scopes),
            idempotency_key=None if repeat is None else repeat.key,
            internal=internal,
            fingerprint=None if repeat is None else repeat.fingerprint,
        )
        .on_conflict_do_nothing(index_elements=["user_id", "idempotency_key"])
        .returning(AgentRun.id)
    )
    if added.one_or_none() is None:
        raise _Overtaken
    return await repository.locked(db, run_id), False


class _Overtaken(Exception):
    """Rolls this request back: another with the same key has committed first."""


async def _known(runs: RunRepository, repeat: RepeatKey) -> AgentRun | None:
    run = await runs.own_by_key(repeat.key)
    if run is None:
        return None
    if run.created_at < now() - KEEP:
        run.idempotency_key = None
        await runs.db.flush()
        return None
    if run.fingerprint != repeat.fingerprint:
        raise IdempotencyConflict
    return run
