"""Carrying out a run: called by a worker with the job's id, any number of times, to one outcome."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from app.agents import repository
from app.agents.errors import RunFailure
from app.agents.events import RunCompleted, RunFailed
from app.agents.records import kept
from app.agents.results import FileFindings, LearningResult
from app.agents.running import Meter, Prompt, run_agent
from app.agents.schemas import TicketDraftResult
from app.agents.service import batches, reporting
from app.agents.service.equipping import equipped, road_to_models
from app.ai_config import service as ai_config
from app.ai_config.catalogue import AgentType, tools_for
from app.ai_config.schemas import ConfigValues
from app.analytics import service as analytics
from app.core.clock import now
from app.core.resources import Resources
from app.core.telemetry import get_logger
from app.inference.assembly import ModelRoad, ResolveModel
from app.inference.operations import Operation
from app.inference.registry import resolve as resolve_model
from app.jobs import claims
from app.jobs import service as jobs
from app.jobs.service import Claim
from app.learning import service as learning
from app.models.agent import AgentRun, AgentToolCall, RunStatus
from app.outbox import writer as outbox
from mcp_client.client import CallLog

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a started run works with, read once: a change of the configuration counts from the next run on."""

    run_id: uuid.UUID
    user_id: int
    kind: AgentType
    version: int
    config: ConfigValues
    prompt: Prompt
    road: ModelRoad
    attempt: int

    @property
    def tools(self) -> frozenset[str]:
        return tools_for(Operation(self.prompt.operation), self.config.tools_enabled)


@dataclass(frozen=True, slots=True)
class _Spent:
    """What one attempt did and cost."""

    calls: CallLog
    meter: Meter


async def execute(resources: Resources, job_id: uuid.UUID, *, resolve: ResolveModel = resolve_model) -> None:
    """Nothing happens when another worker has the job, or it is done. A run whose files are still being read is put
    aside without keeping a worker: the last file wakes it."""
    async with claims.hold(resources, job_id) as claim:
        if claim is None:
            return
        plan = await _start(resources, claim, uuid.UUID(claim.subject), resolve)
        if plan is not None:
            await _carry_out(resources, claim, plan)
    if plan is None:
        await _wake_if_ready(resources, uuid.UUID(claim.subject), job_id)


async def file_processed(db: AsyncSession, file_id: uuid.UUID) -> None:
    """Knock for every run that waits for this file; it looks for itself whether others are still missing."""
    for job_id in await repository.wake_waiting(db, file_id):
        await jobs.dispatch(db, job_id)


async def give_up(resources: Resources, job_id: uuid.UUID) -> None:
    """The job has failed as often as it may: so has the run."""
    async with resources.db.unit_of_work() as db:
        run = await repository.run_of_job(db, job_id, lock=True)
        if run.status not in (RunStatus.COMPLETED, RunStatus.FAILED):
            _fail(db, run, run.error or "The run was given up after several attempts.")
            await batches.go_on(db, run)


async def _wake_if_ready(resources: Resources, run_id: uuid.UUID, job_id: uuid.UUID) -> None:
    """The last file may have been finished after we looked and before anybody could see that we wait. Now that the
    waiting is committed, whoever finishes a file sees it; what was finished before, we see here. One of us wakes it."""
    async with resources.db.unit_of_work() as db:
        run = await repository.locked(db, run_id)
        if await repository.unfinished_files(db, _files(run)):
            return
        if await repository.stop_waiting(db, run_id):
            await jobs.dispatch(db, job_id)


async def _start(resources: Resources, claim: Claim, run_id: uuid.UUID, resolve: ResolveModel) -> _Plan | None:
    """None: put aside until its files are read."""
    async with resources.db.unit_of_work() as db:
        run = await repository.locked(db, run_id)
        if await repository.unfinished_files(db, _files(run)):
            run.status = RunStatus.WAITING
            await jobs.postpone(db, claim, until=None)
            return None
        # A model that plans here may classify in this process.
        await learning.refresh(db)
        run.started_at = now()
        run.status = RunStatus.RUNNING
        kind = AgentType(run.agent_type)
        row = await ai_config.chosen(db, kind, _rollout_key(run))
        run.model, run.config_version = row.model, row.version
        files = await repository.files_in_order(db, _files(run))
        return _Plan(
            run_id=run.id,
            user_id=run.user_id,
            kind=kind,
            version=row.version,
            config=ConfigValues.model_validate(row),
            road=await road_to_models(db, resources, resolve),
            attempt=claim.attempt,
            prompt=Prompt(
                operation=run.operation,
                user_input=run.request.get("user_input") or "",
                files=[{"id": str(f.id), "filename": f.filename, "file_type": f.file_type} for f in files],
                page_context=run.request.get("page_context"),
                conversation_history=run.request.get("conversation_history"),
                integration=run.request.get("integration"),
                ticket_id=run.request.get("ticket_id"),
                material=run.request.get("material"),
            ),
        )


async def _carry_out(resources: Resources, claim: Claim, plan: _Plan) -> None:
    deps = equipped(
        resources,
        plan.user_id,
        plan.config,
        tools=plan.tools,
        run_id=plan.run_id,
        must_create=plan.prompt.operation == Operation.CREATE_TICKET,
    )
    meter = Meter()
    try:
        answer = await run_agent(
            plan.kind,
            plan.prompt,
            config=plan.config,
            deps=deps,
            meter=meter,
            road=plan.road,
            user_id=plan.user_id,
            version=plan.version,
        )
    except RunFailure as failure:
        await _record_failure(resources, claim, plan, _Spent(deps.calls, meter), failure)
    else:
        await _record_answer(resources, claim, plan, _Spent(deps.calls, meter), answer)


async def _record_answer(resources: Resources, claim: Claim, plan: _Plan, spent: _Spent, answer: BaseModel) -> None:
    async with resources.db.unit_of_work() as db:
        await jobs.succeed(db, claim)
        run = await repository.locked(db, plan.run_id)
        if isinstance(answer, TicketDraftResult):
            answer = await reporting.settled(db, run, answer)
        readings: dict[str, Any] = {}
        if isinstance(answer, FileFindings):
            readings = await reporting.file_analyses(db, _files(run))
        elif isinstance(answer, LearningResult):
            await reporting.learnt(db, run, answer)
        run.result = {**answer.model_dump(mode="json"), **readings}
        await _keep(db, run, spent, attempt=plan.attempt)
        _complete(db, run)
        await batches.go_on(db, run)
        await _account(db, run, plan, spent)


async def _record_failure(resources: Resources, claim: Claim, plan: _Plan, spent: _Spent, failure: RunFailure) -> None:
    """What may pass is tried again after a rest, as often as any job; what will not pass ends the run."""
    # Not the reason: it may repeat a model's words. Administrators and the person read it in the run.
    cause = type(failure.__cause__ or failure).__name__
    log.warning("run_failed", run=str(plan.run_id), error=cause, passing=failure.passing)
    async with resources.db.unit_of_work() as db:
        most = resources.settings.jobs.max_attempts
        await claims.end_attempt(db, claim, reason=failure.reason, passing=failure.passing, max_attempts=most)
        run = await repository.locked(db, plan.run_id)
        await _keep(db, run, spent, attempt=plan.attempt)
        if failure.passing:
            run.status = RunStatus.QUEUED
            run.error = failure.reason
        else:
            _fail(db, run, failure.reason)
            await batches.go_on(db, run)
        await _account(db, run, plan, spent)


async def _account(db: AsyncSession, run: AgentRun, plan: _Plan, spent: _Spent) -> None:
    """Every call of this attempt, whatever came of it. Last, for all runs meet at the month's sum."""
    await db.flush()
    await analytics.record(
        db,
        spent.meter.journal.calls,
        user_id=run.user_id,
        operation=run.operation,
        run_id=run.id,
        attempt=plan.attempt,
        costs=plan.road.platform.costs,
    )


async def _keep(db: AsyncSession, run: AgentRun, spent: _Spent, *, attempt: int) -> None:
    """The calls of the last attempt, on which the outcome rests; the cost of all of them."""
    run.input_tokens += spent.meter.usage.input_tokens
    run.output_tokens += spent.meter.usage.output_tokens
    journal = spent.meter.journal
    run.cost_usd += float(journal.cost_usd)
    run.unpriced_calls += journal.unpriced
    run.answered_by = journal.answered_by
    run.hidden, run.removed = dict(journal.hidden), dict(journal.removed)
    if attempt > 1:
        await db.execute(delete(AgentToolCall).where(AgentToolCall.run_id == run.id))
    db.add_all(
        AgentToolCall(
            run_id=run.id,
            position=position,
            **kept(call),
        )
        for position, call in enumerate(spent.calls.calls)
    )


def _complete(db: AsyncSession, run: AgentRun) -> None:
    run.status = RunStatus.COMPLETED
    run.error = None
    run.finished_at = _end_of(run)
    outbox.add(db, RunCompleted(run_id=run.id, operation=run.operation, ticket_id=run.ticket_id))


def _fail(db: AsyncSession, run: AgentRun, reason: str) -> None:
    run.status = RunStatus.FAILED
    run.error = reason
    run.finished_at = _end_of(run)
    outbox.add(db, RunFailed(run_id=run.id, operation=run.operation, reason=reason))


def _end_of(run: AgentRun) -> datetime:
    at = now()
    return max(at, run.started_at) if run.started_at is not None else at


def _rollout_key(run: AgentRun) -> str:
    """All runs about a ticket get the same version; others are drawn one by one, each attempt alike."""
    ticket_id = run.request.get("ticket_id")
    return f"run:{run.id}" if ticket_id is None else f"ticket:{ticket_id}"


def _files(run: AgentRun) -> list[uuid.UUID]:
    return [uuid.UUID(file) for file in run.request["files"]]
