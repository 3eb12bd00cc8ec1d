"""Configurations by HTTP, for administrators. What is wrong with a configuration is a 400 that names it."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel

from app.accounts.authentication import AdminUser
from app.agents import service as agents
from app.agents.preferences import preference
from app.agents.schemas import TrialOut
from app.ai_config import service
from app.ai_config.catalogue import AgentType
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
    GateOut,
    RollbackIn,
    TrialIn,
)
from app.ai_config.service import Version
from app.core.auth import Principal
from app.core.db import ReadSession, WriteSession
from app.core.errors import Forbidden, Invalid, RateLimited, TooLarge, Unauthenticated, documented
from app.core.http import API_PREFIX, field_errors
from app.core.idempotency import IdempotencyConflict, IdempotencyKeyInvalid, IdempotentRoute
from app.core.pagination import BadCursor, Cursor, Limit, link_next
from app.core.resources import Res, Resources
from app.evaluations import service as evaluations
from app.evaluations.errors import GateFailed, GateRefused
from app.evaluations.schemas import EvaluationAccepted
from app.models.agent import AiConfig
from app.models.evaluation import ReportStatus


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

Prefer = Annotated[
    str | None,
    Header(
        max_length=200,
        description="With `gate`, RFC 7240: `respond-async`, or `wait=<seconds>`; 30 s at most and by default.",
    ),
]

_ONE = documented(AgentTypeUnknown, ConfigMissing, Invalid)
_POSTING = (IdempotencyKeyInvalid, IdempotencyConflict, TooLarge)


@router.get("", responses=documented(ConfigMissing), response_model_exclude_unset=True)
async def list_configs(_who: AdminUser, db: ReadSession) -> list[ConfigOut]:
    """The active configuration of every agent."""
    return [_shown(version) for version in await service.all_active(db)]


@router.get("/{agent_type}", responses=_ONE, response_model_exclude_unset=True)
async def get_config(agent_type: str, _who: AdminUser, db: ReadSession) -> ConfigOut:
    """The version that is in force."""
    return _shown(await service.shown(db, service.agent_type(agent_type)))


@router.put(
    "/{agent_type}",
    response_model=ConfigUpdated,
    responses={
        202: {"model": EvaluationAccepted, "description": "It is being judged; `Location` says where to look."},
        **documented(
            ConfigInvalid,
            AgentTypeUnknown,
            ConfigMissing,
            CandidateMissing,
            GateRefused,
            GateFailed,
            TooLarge,
            Invalid,
        ),
    },
)
async def update_config(
    agent_type: str, body: ConfigUpdate, who: AdminUser, resources: Res, prefer: Prefer = None
) -> Response:
    """Merge some values into the active version; the outcome is the next version, in force from the next run on, or
    with `rollout` for that percent of the runs. With `gate` it must first prove itself on an evaluation set."""
    kind = service.agent_type(agent_type)
    rollout = body.rollout or service.ALL_RUNS
    values = body.given()
    if body.model is not None:
        service.check_model(body.model, resources.settings)
    if body.gate:
        gate = evaluations.Gate(body.evaluation_set, body.margin)
        return await _through_gate(resources, who, kind, values, rollout, gate, prefer)
    async with resources.db.unit_of_work() as db:
        if values:
            version = await service.update(db, who, kind, values=values, rollout=rollout)
        else:
            version = await service.move(db, kind, rollout=rollout)
    return _json(_updated(version))


async def _through_gate(
    resources: Resources,
    who: Principal,
    kind: AgentType,
    values: dict[str, Any],
    rollout: int,
    gate: evaluations.Gate,
    prefer: str | None,
) -> Response:
    """The evaluation is committed at once and goes on whoever waits for it."""
    wanted = preference(prefer, most=resources.settings.http.run_wait_seconds)
    async with resources.db.unit_of_work() as db:
        report_id = await evaluations.ask(db, who, kind, values=values, rollout=rollout, gate=gate)
    report = await evaluations.wait(resources, report_id, seconds=wanted.seconds)
    headers = {"Location": f"{API_PREFIX}/ai-config/{kind}/evaluations/{report_id}"}
    if wanted.applied is not None:
        headers["Preference-Applied"] = wanted.applied
    scores = {"active_score": report.active_score, "candidate_score": report.candidate_score}
    match report.status:
        case ReportStatus.ACCEPTED:
            async with resources.db.session() as db:
                version = await service.one_version(db, kind, report.candidate_version or 0)
            found = GateOut.model_validate({"report_id": report_id, **scores})
            return _json(_updated(version).model_copy(update={"gate": found}), headers=headers)
        case ReportStatus.REFUSED:
            raise GateRefused(report.error, headers=headers, report_id=str(report_id), margin=report.margin, **scores)
        case ReportStatus.FAILED:
            raise GateFailed(report.error, headers=headers, report_id=str(report_id))
        case _:
            return _json(EvaluationAccepted(report_id=report_id, status=report.status), 202, headers)


def _json(body: BaseModel, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    content = body.model_dump_json(exclude_unset=True)
    return Response(content, status, headers=headers, media_type="application/json")


@router.post(
    "/{agent_type}/promote",
    responses=documented(AgentTypeUnknown, ConfigMissing, CandidateMissing, Invalid, *_POSTING),
    response_model_exclude_unset=True,
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
    response_model_exclude_unset=True,
)
async def roll_back(agent_type: str, body: RollbackIn, who: AdminUser, db: WriteSession) -> ConfigUpdated:
    """A new version with the values of an old one, for all runs: a candidate's part ends."""
    kind = service.agent_type(agent_type)
    return _updated(await service.roll_back(db, who, kind, version=body.version))


def _shown(version: Version) -> ConfigOut:
    row: AiConfig = version.row
    told = {
        **{name: getattr(row, name) for name in ConfigValues.model_fields},
        "agent_type": row.agent_type,
        "version": row.version,
        "updated_at": row.created_at,
        "updated_by": version.author,
    }
    if version.candidate is not None:
        told["candidate"] = CandidateOut(version=version.candidate[0], rollout=version.candidate[1])
    return ConfigOut.model_validate(told)


def _updated(version: Version) -> ConfigUpdated:
    """What does not apply is left out."""
    told: dict[str, Any] = {
        "agent_type": version.row.agent_type,
        "status": "candidate" if version.standing == "candidate" else "updated",
        "version": version.row.version,
        "changes": version.changes,
    }
    if version.standing == "candidate":
        told["rollout"] = version.rollout
    if version.ended is not None:
        told["ended_candidate"] = version.ended
    return ConfigUpdated.model_validate(told)
