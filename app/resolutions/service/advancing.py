"""Going on with a resolution: settle the step whose run has ended, start the next, wait without a worker."""

import uuid
from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy.ext.asyncio import AsyncSession

from app.agents import service as agents
from app.core.clock import now
from app.core.resources import Resources
from app.core.telemetry import get_logger
from app.inference.operations import Operation
from app.jobs import claims
from app.jobs import service as jobs
from app.models.agent import RunStatus
from app.models.resolution import Resolution, ResolutionStatus, ResolutionStep
from app.models.ticket import Visibility
from app.outbox import writer as outbox
from app.resolutions import repository
from app.resolutions.events import ResolutionProgressed
from app.resolutions.service import settling
from app.tickets import service as tickets
from app.tickets.errors import TicketMissing

log = get_logger(__name__)

CHAIN = (
    Operation.GATHER_CONTEXT,
    Operation.TRIAGE,
    Operation.ROUTE,
    Operation.RESPOND,
    Operation.CHECK_DRAFT,
    Operation.ESCALATE,
)
MOST_COMMENTS = 50


async def advance(resources: Resources, job_id: uuid.UUID) -> None:
    """Nothing happens when another worker has it, or it is done. Between two steps the job lies queued: the end of the
    step's run knocks for it, and should that knock be lost, the reaper does."""
    waits_for = None
    async with claims.hold(resources, job_id) as claim:
        if claim is None:
            return
        async with resources.db.unit_of_work() as db:
            resolution = await repository.locked(db, uuid.UUID(claim.subject))
            try:
                waits_for = await _go_on(resources, db, resolution)
            except TicketMissing:
                _end(resolution, ResolutionStatus.FAILED, "The ticket was deleted.")
            if waits_for is None:
                await jobs.succeed(db, claim)
            else:
                await jobs.postpone(db, claim, until=None)
    if waits_for is not None:
        # The run may have ended before anybody could see that we wait for it.
        async with resources.db.unit_of_work() as db:
            if (await repository.run(db, waits_for)).status in repository.ENDED:
                await jobs.dispatch(db, job_id)


async def run_ended(db: AsyncSession, run_id: uuid.UUID) -> None:
    """Knock for the resolution that waits for this run, if any does."""
    job_id = await repository.job_of_run(db, run_id)
    if job_id is not None:
        await jobs.dispatch(db, job_id)


async def give_up(resources: Resources, job_id: uuid.UUID) -> None:
    """The job has failed as often as it may: so has the resolution. The ticket is with people, as ever."""
    async with resources.db.unit_of_work() as db:
        resolution = await repository.of_job(db, job_id)
        if resolution.status == ResolutionStatus.RUNNING:
            done = await repository.steps(db, resolution.id)
            _end(resolution, ResolutionStatus.FAILED, "The resolution was given up after several attempts.")
            _tell(db, resolution, "ended", None, done)


async def _go_on(resources: Resources, db: AsyncSession, resolution: Resolution) -> uuid.UUID | None:
    """The run that is waited for now; None when the resolution has ended. Raises TicketMissing."""
    if resolution.status != ResolutionStatus.RUNNING:
        return None
    done = list(await repository.steps(db, resolution.id))
    if done and done[-1].result is None:
        step = done[-1]
        run = await repository.run(db, step.run_id)
        if run.status == RunStatus.FAILED:
            _end(resolution, ResolutionStatus.FAILED, f"The step {step.operation} failed: {run.error}")
            _tell(db, resolution, "ended", None, done)
            return None
        if run.status != RunStatus.COMPLETED:
            return step.run_id
        step.result = await settling.settled(resources.settings, db, resolution, step, run, material(done))
        step.finished_at = now()
        _tell(db, resolution, "completed", step.operation, done)
    found = material(done)
    if len(done) == len(CHAIN) or (done and done[-1].operation == CHAIN[-1]):
        _end(resolution, await settling.outcome(db, resolution, found), None)
        _tell(db, resolution, "ended", None, done)
        return None
    return await _begin(db, resolution, done, found)


def material(done: Sequence[ResolutionStep]) -> dict[str, Any]:
    """What the steps so far have found, by operation."""
    return {step.operation: step.result for step in done if step.result is not None}


async def _begin(
    db: AsyncSession, resolution: Resolution, done: Sequence[ResolutionStep], found: dict[str, Any]
) -> uuid.UUID:
    operation = CHAIN[len(done)]
    if operation is Operation.CHECK_DRAFT and found[Operation.RESPOND]["abstained"]:
        operation = Operation.ESCALATE
    ticket = await tickets.get(db, tickets.DESK, resolution.ticket_id)
    who = await repository.requester(db, ticket.requester.id)
    said = await tickets.comments(db, who, ticket.id, limit=MOST_COMMENTS)
    document = {
        "user_input": f"{ticket.title}\n\n{ticket.description}",
        "conversation_history": [
            {"role": "customer" if comment.author.id == ticket.requester.id else "agent", "content": comment.body}
            for comment in said.rows
            if comment.visibility is Visibility.PUBLIC
        ],
        "ticket_id": ticket.id,
        "material": found,
    }
    run, _again = await agents.request(db, who, operation=operation, document=document, files=[], internal=True)
    db.add(ResolutionStep(resolution_id=resolution.id, position=len(done), operation=operation, run_id=run.id))
    _tell(db, resolution, "started", operation, done)
    return run.id


def progress(resolution: Resolution, steps: Sequence[ResolutionStep]) -> float:
    """The share of the chain that is done."""
    if resolution.status != ResolutionStatus.RUNNING:
        return 1.0
    return round(sum(step.result is not None for step in steps) / len(CHAIN), 2)


def _tell(
    db: AsyncSession,
    resolution: Resolution,
    state: Literal["started", "completed", "ended"],
    step: str | None,
    steps: Sequence[ResolutionStep],
) -> None:
    """Nobody is told that a ticket's resolution ended with the ticket: its own end is the last that is heard of it."""
    outbox.add(
        db,
        ResolutionProgressed(
            ticket_id=resolution.ticket_id,
            resolution_id=resolution.id,
            state=state,
            step=step,
            status=resolution.status,
            progress=progress(resolution, steps),
            error=resolution.error,
            timestamp=now(),
        ),
    )


def _end(resolution: Resolution, status: ResolutionStatus, error: str | None) -> None:
    resolution.status, resolution.error, resolution.finished_at = status, error, now()
    log.info("resolution_ended", resolution=str(resolution.id), status=status)
