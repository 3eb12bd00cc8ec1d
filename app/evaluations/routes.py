"""Evaluation sets and reports by HTTP, under the agents that they are for. For administrators."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from app.accounts.authentication import AdminUser
from app.ai_config import service as ai_config
from app.ai_config.errors import AgentTypeUnknown, ConfigInvalid
from app.core.db import ReadSession, WriteSession
from app.core.errors import Forbidden, Invalid, RateLimited, TooLarge, Unauthenticated, documented
from app.core.idempotency import IdempotentRoute
from app.core.pagination import BadCursor, Cursor, Limit, link_next
from app.core.schemas import Slug
from app.evaluations import service
from app.evaluations.errors import EvaluationSetUnknown, EvaluationUnknown
from app.evaluations.schemas import EvaluationLine, EvaluationOut, EvaluationSetIn, EvaluationSetLine, EvaluationSetOut

router = APIRouter(
    route_class=IdempotentRoute,
    prefix="/ai-config/{agent_type}",
    tags=["ai-config"],
    responses=documented(Unauthenticated, Forbidden, RateLimited, AgentTypeUnknown, Invalid),
)

Name = Annotated[Slug, Path()]


@router.get("/evaluation-sets")
async def list_evaluation_sets(agent_type: str, who: AdminUser, db: ReadSession) -> list[EvaluationSetLine]:
    """By name. `default` was delivered with the product."""
    return await service.all_sets(db, who, ai_config.agent_type(agent_type))


@router.get("/evaluation-sets/{name}", responses=documented(EvaluationSetUnknown))
async def get_evaluation_set(agent_type: str, name: Name, who: AdminUser, db: ReadSession) -> EvaluationSetOut:
    """With its cases."""
    return await service.one_set(db, who, ai_config.agent_type(agent_type), name)


@router.put("/evaluation-sets/{name}", responses=documented(ConfigInvalid, TooLarge))
async def put_evaluation_set(
    agent_type: str, name: Name, body: EvaluationSetIn, who: AdminUser, db: WriteSession
) -> EvaluationSetOut:
    """Create it, or replace all of its cases. What is expected must be a field of this agent's answers."""
    return await service.store_set(db, who, ai_config.agent_type(agent_type), name, given=body)


@router.delete("/evaluation-sets/{name}", status_code=204, responses=documented(EvaluationSetUnknown))
async def delete_evaluation_set(agent_type: str, name: Name, who: AdminUser, db: WriteSession) -> None:
    """Reports made with it stay."""
    await service.drop_set(db, who, ai_config.agent_type(agent_type), name)


@router.get("/evaluations", responses=documented(BadCursor))
async def list_evaluations(
    agent_type: str,
    who: AdminUser,
    db: ReadSession,
    request: Request,
    response: Response,
    cursor: Cursor = None,
    limit: Limit = 20,
) -> list[EvaluationLine]:
    """Every version that had to prove itself, newest first."""
    page = await service.listed(db, who, ai_config.agent_type(agent_type), cursor=cursor, limit=limit)
    link_next(request, response, page.next_cursor)
    return list(page.rows)


@router.get("/evaluations/{report_id}", responses=documented(EvaluationUnknown))
async def get_evaluation(agent_type: str, report_id: uuid.UUID, who: AdminUser, db: ReadSession) -> EvaluationOut:
    """Both versions on every case: what was expected, what came, what it cost."""
    return await service.shown(db, who, ai_config.agent_type(agent_type), report_id)
