"""Configurations by HTTP, for administrators. What is wrong with a configuration is a 400 that names it."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError

from app.accounts.authentication import AdminUser
from app.agents import service as agents
from app.agents.schemas import TrialOut
from app.ai_config import service
from app.ai_config.errors import (
    AgentTypeUnknown,
    CandidateMissing,
    ConfigInvalid,
    ConfigMissing,
    ConfigVersionUnknown,
)
from app.ai_config.schemas import (
    CandidateOut,
    ConfigOut,
    ConfigUpdate,
    ConfigUpdated,
    ConfigValues,
    ConfigVersionOut,
    RollbackIn,
    TrialIn,
)
from app.ai_config.service import Version
from app.core.db import ReadSession, WriteSession
from app.core.errors import Forbidden, Invalid, RateLimited, TooLarge, Unauthenticated, documented
from app.core.http import field_errors
from app.core.idempotency import IdempotencyConflict, IdempotencyKeyInvalid, IdempotentRoute
from app.core.pagination import BadCursor, Cursor, Limit, link_next
from app.core.resources import Res
from app.models.agent import AiConfig


class ConfigRoute(IdempotentRoute):
    """Says in `detail` which value of a configuration is wrong, and why."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def explaining(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                problems = field_errors(error.errors())
                if any(problem.location[:1] != ["body"] for problem in problems):
                    raise
                raise ConfigInvalid(
                    "; ".join(
                        ": ".join(filter(None, [".".join(map(str, problem.location[1:])), problem.message]))
                        for problem in problems
                    ),
                    errors=problems,
                ) from error

        return explaining


router = APIRouter(
    route_class=ConfigRoute,
    prefix="/ai-config",
    tags=["ai-config"],
    responses=documented(Unauthenticated, Forbidden, RateLimited),
)

_ONE = documented(AgentTypeUnknown, ConfigMissing, Invalid)
_POSTING = (IdempotencyKeyInvalid, IdempotencyConflict, TooLarge)


@router.get("", responses=documented(ConfigMissing))
async def list_configs(_who: AdminUser, db: ReadSession) -> list[ConfigOut]:
    """The active configuration of every agent."""
    return [_shown(version) for version in await service.all_active(db)]


@router.get("/{agent_type}", responses=_ONE)
async def get_config(agent_type: str, _who: AdminUser, db: ReadSession) -> ConfigOut:
    """The version that is in force."""
    return _shown(await service.shown(db, service.agent_type(agent_type)))


@router.put(
    "/{agent_type}",
    responses=documented(ConfigInvalid, AgentTypeUnknown, ConfigMissing, CandidateMissing, TooLarge, Invalid),
)
async def update_config(
    agent_type: str, body: ConfigUpdate, who: AdminUser, db: WriteSession, resources: Res
) -> ConfigUpdated:
    """Merge some values into the active version; the outcome is the next version, in force from the next run on, or
    with `rollout` for that percent of the runs."""
    kind = service.agent_type(agent_type)
    rollout = body.rollout or service.ALL_RUNS
    values = body.given()
    if not values:
        return _updated(await service.move(db, kind, rollout=rollout))
    if body.model is not None:
        service.check_model(body.model, resources.settings)
    return _updated(await service.update(db, who, kind, values=values, rollout=rollout))


@router.post(
    "/{agent_type}/promote",
    responses=documented(AgentTypeUnknown, ConfigMissing, CandidateMissing, Invalid, *_POSTING),
)
async def promote(agent_type: str, _who: AdminUser, db: WriteSession) -> ConfigUpdated:
    """Make the candidate the active version."""
    return _updated(await service.move(db, service.agent_type(agent_type), rollout=service.ALL_RUNS))


@router.get("/{agent_type}/history", responses=documented(AgentTypeUnknown, BadCursor, Invalid))
async def get_history(
    agent_type: str,
    who: AdminUser,
    db: ReadSession,
    request: Request,
    response: Response,
    cursor: Cursor = None,
    limit: Limit = 20,
) -> list[ConfigVersionOut]:
    """Every version, newest first, with its author and what it changed."""
    page = await service.history(db, who, service.agent_type(agent_type), cursor=cursor, limit=limit)
    link_next(request, response, page.next_cursor)
    return [
        ConfigVersionOut(
            **_shown(version).model_dump(),
            changes=version.changes,
            based_on=version.row.based_on,
            status=version.standing,
            rollout=version.rollout,
        )
        for version in page.rows
    ]


@router.post(
    "/{agent_type}/test",
    responses=documented(ConfigInvalid, AgentTypeUnknown, ConfigMissing, Invalid, *_POSTING),
)
async def test_config(agent_type: str, body: TrialIn, who: AdminUser, resources: Res) -> TrialOut:
    """What the candidate makes of an input, beside what the active version makes of it. Nothing is saved."""
    kind = service.agent_type(agent_type)
    if body.config.model is not None:
        service.check_model(body.config.model, resources.settings)
    async with resources.db.session() as db:
        active = await service.active(db, kind)
    candidate = service.merged(active, body.config.given())
    return await agents.try_out(
        resources,
        who,
        kind,
        candidate=candidate,
        active=ConfigValues.model_validate(active),
        version=active.version,
        text=body.input,
    )


@router.post(
    "/{agent_type}/rollback",
    responses=documented(ConfigInvalid, AgentTypeUnknown, ConfigVersionUnknown, ConfigMissing, Invalid, *_POSTING),
)
async def roll_back(agent_type: str, body: RollbackIn, who: AdminUser, db: WriteSession) -> ConfigUpdated:
    """A new version with the values of an old one, for all runs: a candidate's part ends."""
    kind = service.agent_type(agent_type)
    return _updated(await service.roll_back(db, who, kind, version=body.version))


def _shown(version: Version) -> ConfigOut:
    row: AiConfig = version.row
    return ConfigOut.model_validate(
        {
            **{name: getattr(row, name) for name in ConfigValues.model_fields},
            "agent_type": row.agent_type,
            "version": row.version,
            "updated_at": row.created_at,
            "updated_by": version.author,
            "candidate": None
            if version.candidate is None
            else CandidateOut(version=version.candidate[0], rollout=version.candidate[1]),
        }
    )


def _updated(version: Version) -> ConfigUpdated:
    return ConfigUpdated(
        agent_type=version.row.agent_type,
        status="candidate" if version.standing == "candidate" else "updated",
        version=version.row.version,
        rollout=version.rollout,
        changes=version.changes,
        ended_candidate=version.ended,
    )
