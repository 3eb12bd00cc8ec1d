"""What became of evaluations."""

import uuid
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts import service as accounts
from app.ai_config.catalogue import AgentType
from app.core.auth import Principal
from app.core.pagination import Page
from app.evaluations.errors import EvaluationUnknown
from app.evaluations.repository import ReportRepository
from app.evaluations.schemas import EvaluationLine, EvaluationOut
from app.models.evaluation import EvaluationReport


async def listed(
    db: AsyncSession, who: Principal, kind: AgentType, *, cursor: str | None, limit: int
) -> Page[EvaluationLine]:
    """Newest first."""
    reports = ReportRepository(db, who)
    query = reports.visible().where(EvaluationReport.agent_type == kind)
    page = await reports.page(query, cursor=cursor, limit=limit)
    names = await accounts.usernames(db, {row.author_id for row in page.rows})
    return Page([EvaluationLine.model_validate(_line(row, names)) for row in page.rows], page.next_cursor)


async def shown(db: AsyncSession, who: Principal, kind: AgentType, report_id: uuid.UUID) -> EvaluationOut:
    row = await ReportRepository(db, who).get(report_id)
    if row.agent_type != kind:
        raise EvaluationUnknown
    names = await accounts.usernames(db, {row.author_id})
    return EvaluationOut.model_validate({**_line(row, names), "proposed": row.proposed, "cases": row.outcomes})


def _line(row: EvaluationReport, names: dict[int, str]) -> dict[str, Any]:
    def side(name: str, version: int | None, score: float | None) -> dict[str, Any]:
        failed = sum(outcome[name]["error"] is not None for outcome in row.outcomes)
        return {"version": version, "score": score, "failed": failed}

    return {
        "report_id": row.id,
        "agent_type": row.agent_type,
        "evaluation_set": row.set_name,
        "set_version": row.set_version,
        "status": row.status,
        "margin": row.margin,
        "rollout": row.rollout,
        "changes": sorted(row.changes),
        "active": side("active", row.active_version, row.active_score),
        "candidate": side("candidate", row.candidate_version, row.candidate_score),
        "error": row.error,
        "created_at": row.created_at,
        "finished_at": row.finished_at,
        "created_by": names.get(row.author_id),
    }
