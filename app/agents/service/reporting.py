"""What a run leaves behind, and how it is shown."""

import uuid
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.agents import repository
from app.agents.evidence import checked
from app.agents.repository import RunRepository
from app.agents.results import LearningResult
from app.agents.schemas import FileAnalysis, ModelCallOut, RunOut, SettledTicket, TicketDraftResult, ToolCallOut
from app.core.auth import Principal
from app.learning import service as learning
from app.models.agent import AgentRun
from app.models.file import File
from app.models.learning import ExampleSource
from app.tickets import service as tickets
from app.tickets.errors import TicketMissing
from app.tickets.schemas import Categorisation

MAX_ANALYSIS_CHARS = 100_000


async def file_analyses(db: AsyncSession, files: list[uuid.UUID]) -> dict[str, Any]:
    """What was read in each file, in the order asked for."""
    rows = await repository.files_in_order(db, files, text=True)
    return {"files": [_analysis(row).model_dump(mode="json") for row in rows]}


def _analysis(row: File) -> FileAnalysis:
    return FileAnalysis(
        file_id=row.id,
        filename=row.filename,
        processing_status=row.processing_status,
        analysis_type=row.analysis_type,
        extracted_text=None if row.text is None else row.text[:MAX_ANALYSIS_CHARS],
        confidence=row.confidence,
        metadata={
            **row.details,
            "file_type": row.file_type,
            "file_size": row.file_size,
            "engine": row.engine,
            "engine_version": row.engine_version,
            "language": row.language,
            "low_confidence": row.low_confidence,
            "truncated": row.text is not None and len(row.text) > MAX_ANALYSIS_CHARS,
        },
        error=row.error,
    )


async def settled(db: AsyncSession, run: AgentRun, answer: TicketDraftResult) -> SettledTicket:
    """The answer as it is true now: the categorisation is written onto the ticket, whose own fields then count, and
    each quote was looked up in its source. Evidence from a file of another report is left out."""
    files = await repository.files_in_order(db, _files(run), text=True)
    found = SettledTicket.model_validate(
        {**answer.model_dump(), "evidence": checked(answer.evidence, run.request, files)}
    )
    if run.ticket_id is None:
        return found
    categorisation = Categorisation(
        category=answer.category, priority=answer.priority, team=answer.team, confidence=answer.confidence
    )
    try:
        ticket = await tickets.attach_categorisation(db, tickets.DESK, run.ticket_id, found=categorisation)
    except TicketMissing:
        # Somebody deleted it already; what the agent found stays on record.
        return found
    return found.model_copy(
        update={
            "ticket_id": ticket.id,
            "title": ticket.title,
            "description": ticket.description,
            "category": ticket.category,
            "priority": ticket.priority,
            "team": ticket.team or answer.team,
            "tags": ticket.tags,
        }
    )


async def learnt(db: AsyncSession, run: AgentRun, answer: LearningResult) -> None:
    """Keep the labels that the person really gave; what a model adds of its own is no lesson."""
    material = run.request["material"]
    given: dict[str, str] = material["labels"]
    await learning.keep(
        db,
        author_id=run.user_id,
        ticket_id=run.request["ticket_id"],
        text=run.request["user_input"],
        labels={one.field: one.label for one in answer.examples if given.get(one.field) == one.label},
        source=ExampleSource(material["source"]),
    )


async def shown(db: AsyncSession, who: Principal, run_id: uuid.UUID) -> RunOut:
    runs = RunRepository(db, who)
    run = await runs.get(run_id)
    seconds = None
    if run.started_at is not None and run.finished_at is not None:
        seconds = (run.finished_at - run.started_at).total_seconds()
    return RunOut(
        run_id=run.id,
        operation=run.operation,
        agent_type=run.agent_type,
        status=run.status,
        model=run.model,
        config_version=run.config_version,
        ticket_id=run.ticket_id,
        result=run.result,
        error=run.error,
        attempts=await repository.attempts(db, run),
        tool_calls=[ToolCallOut.model_validate(call) for call in await runs.tool_calls(run)],
        input_tokens=run.input_tokens,
        output_tokens=run.output_tokens,
        model_calls=[ModelCallOut.model_validate(call) for call in await runs.model_calls(run)],
        answered_by=run.answered_by,
        hidden=run.hidden or {},
        removed=run.removed or {},
        cost_usd=None if run.unpriced_calls else run.cost_usd,
        created_at=run.created_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
        seconds=seconds,
    )


def _files(run: AgentRun) -> list[uuid.UUID]:
    return [uuid.UUID(file) for file in run.request["files"]]
