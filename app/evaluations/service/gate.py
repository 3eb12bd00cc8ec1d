"""A change that has to prove itself: asked for, judged in a worker, and let in or refused with its report.

The change and the verdict are one transaction. Whatever is killed in between, the job's lease brings another attempt;
and if another change came first, nothing is let in, for what it was compared with is no longer active.
"""

import asyncio
import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.ai_config import service as ai_config
from app.ai_config.catalogue import AgentType
from app.ai_config.errors import CandidateMissing, ConfigInvalid
from app.ai_config.schemas import ConfigValues
from app.core.auth import Principal, Role
from app.core.clock import now
from app.core.resources import Resources
from app.core.telemetry import get_logger
from app.evaluations import judging, repository
from app.evaluations.errors import EvaluationSetUnknown
from app.evaluations.repository import SetRepository
from app.evaluations.schemas import CaseJudged
from app.inference.assembly import ResolveModel
from app.inference.registry import resolve as resolve_model
from app.jobs import claims
from app.jobs import service as jobs
from app.jobs.service import Claim
from app.models.base import uuid7
from app.models.evaluation import EvaluationReport, ReportStatus

log = get_logger(__name__)

JOB_KIND = "evaluation"
ENDED = (ReportStatus.ACCEPTED, ReportStatus.REFUSED, ReportStatus.FAILED)
POLL_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Gate:
    """By which cases, and how much worse (0..1) the new version's score may be."""

    set_name: str
    margin: float


async def ask(
    db: AsyncSession, who: Principal, kind: AgentType, *, values: dict[str, Any], rollout: int, gate: Gate
) -> uuid.UUID:
    """The report, queued. Without values it is the candidate that is judged, to take `rollout` percent of the runs.
    Raises ConfigInvalid and CandidateMissing."""
    found = await ai_config.in_force(db, kind)
    if values:
        proposed = ai_config.merged(found.active, values)
    elif found.candidate is not None:
        proposed = ConfigValues.model_validate(found.candidate)
    else:
        raise CandidateMissing
    try:
        cases = await SetRepository(db, who).named(kind, gate.set_name)
    except EvaluationSetUnknown as error:
        raise ConfigInvalid(f"evaluation_set: {kind} has no set called “{gate.set_name}”.") from error
    report_id = uuid7()
    job = jobs.create(db, kind=JOB_KIND, subject=str(report_id))
    await db.flush()
    db.add(
        EvaluationReport(
            id=report_id,
            job_id=job.id,
            author_id=who.user_id,
            agent_type=kind,
            set_name=cases.name,
            set_version=cases.version,
            active_version=found.active.version,
            candidate_version=None if values or found.candidate is None else found.candidate.version,
            changes=values,
            proposed=proposed.model_dump(),
            rollout=rollout,
            margin=gate.margin,
            cases=cases.cases,
        )
    )
    await db.flush()
    return report_id


async def wait(resources: Resources, report_id: uuid.UUID, *, seconds: float) -> EvaluationReport:
    """The report, ended or as it is when the time is over. No connection is held meanwhile."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while True:
        async with resources.db.session() as db:
            report = await repository.report(db, report_id)
        left = end - loop.time()
        if report.status in ENDED or left <= 0:
            return report
        await asyncio.sleep(min(POLL_SECONDS, left))


async def carry_out(resources: Resources, job_id: uuid.UUID, *, resolve: ResolveModel = resolve_model) -> None:
    """Judge both versions and settle. Nothing happens when another worker has the job, or it is done."""
    async with claims.hold(resources, job_id) as claim:
        if claim is None:
            return
        async with resources.db.unit_of_work() as db:
            report = await repository.report_of_job(db, job_id)
            report.status = ReportStatus.RUNNING
            kind = AgentType(report.agent_type)
            found = await ai_config.in_force(db, kind)
            who = await _author(db, report)
        if (outdated := _outdated(report, found.active.version, found.candidate)) is not None:
            await _settle(resources, claim, None, outdated)
            return
        active = ConfigValues.model_validate(found.active)
        proposed = ConfigValues.model_validate(report.proposed)
        old = await judging.judge(resources, who, kind, report.cases, active, report.active_version, resolve=resolve)
        new = await judging.judge(resources, who, kind, report.cases, proposed, None, resolve=resolve)
        await _settle(resources, claim, (old, new), None)


async def give_up(resources: Resources, job_id: uuid.UUID) -> None:
    async with resources.db.unit_of_work() as db:
        report = await repository.report_of_job(db, job_id)
        if report.status not in ENDED:
            _end(report, ReportStatus.FAILED, "The comparison was given up after several attempts.")


async def _settle(
    resources: Resources,
    claim: Claim,
    judged: tuple[list[CaseJudged], list[CaseJudged]] | None,
    outdated: str | None,
) -> None:
    async with resources.db.unit_of_work() as db:
        await jobs.succeed(db, claim)
        report = await repository.report_of_job(db, claim.job_id)
        kind = AgentType(report.agent_type)
        if judged is not None:
            outcomes = judging.together(report.cases, *judged)
            report.outcomes = [outcome.model_dump(mode="json") for outcome in outcomes]
            report.active_score, report.candidate_score = map(judging.score, judged)
            await ai_config.hold(db, kind)
            found = await ai_config.in_force(db, kind)
            outdated = _outdated(report, found.active.version, found.candidate)
        who = await _author(db, report)
        if outdated is None and who.role is not Role.ADMIN:
            outdated = "Whoever asked for it is no administrator any more."
        if outdated is not None or judged is None:
            _end(report, ReportStatus.FAILED, outdated)
        elif refusal := _refusal(report, judged[1]):
            _end(report, ReportStatus.REFUSED, refusal)
        else:
            await _let_in(db, who, kind, report)
        log.info("evaluation_ended", report=str(report.id), agent=report.agent_type, status=report.status)


async def _let_in(db: AsyncSession, who: Principal, kind: AgentType, report: EvaluationReport) -> None:
    if report.candidate_version is None:
        version = await ai_config.update(db, who, kind, values=report.changes, rollout=report.rollout)
        report.candidate_version = version.row.version
    else:
        await ai_config.move(db, kind, rollout=report.rollout)
    _end(report, ReportStatus.ACCEPTED, None)


def _refusal(report: EvaluationReport, judged: list[CaseJudged]) -> str | None:
    active, candidate = report.active_score or 0.0, report.candidate_score or 0.0
    if all(one.error is not None for one in judged):
        return f"Every run of the new version failed; the first: {judged[0].error}"
    if candidate < active - report.margin:
        return (
            f"The new version scores {candidate:.3f} on the set “{report.set_name}”, the active one {active:.3f}: "
            f"worse by more than {report.margin:g}."
        )
    return None


def _outdated(report: EvaluationReport, active: int, candidate: Any) -> str | None:
    if report.active_version != active:
        return f"Version {report.active_version}, which it was to be compared with, is no longer active."
    if report.candidate_version is not None and (candidate is None or candidate.version != report.candidate_version):
        return f"Version {report.candidate_version} is no candidate any more."
    return None


async def _author(db: AsyncSession, report: EvaluationReport) -> Principal:
    """As they are now."""
    user = await repository.author(db, report.author_id)
    return user.as_principal() if user.active else Principal(user.id, user.username, Role.CUSTOMER)


def _end(report: EvaluationReport, status: ReportStatus, error: str | None) -> None:
    report.status, report.error, report.finished_at = status, error, now()
