"""Drafts of answers, judgements of them, and summaries: no run that anybody waits for or looks at, but with the same
models, limits, privacy and price."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import BaseModel

from app.agents.errors import RunFailure
from app.agents.results import EntailmentResult, GroundedDraft, SummaryResult
from app.agents.running import Meter, Prompt
from app.agents.service.asking import asked
from app.agents.service.equipping import equipped, road_to_models
from app.ai_config import service as ai_config
from app.ai_config.catalogue import AGENT_OF
from app.ai_config.errors import ConfigMissing
from app.ai_config.schemas import ConfigValues
from app.core.auth import Principal
from app.core.resources import Resources
from app.inference.assembly import ModelRoad, ResolveModel
from app.inference.local.model import LOCAL_MODEL
from app.inference.operations import Operation
from app.inference.registry import resolve as resolve_model
from app.models.agent import AiConfig


@dataclass(frozen=True, slots=True)
class Written:
    draft: GroundedDraft
    model: str


@dataclass(frozen=True, slots=True)
class Summary:
    text: str
    model: str
    config_version: int


@dataclass(frozen=True, slots=True)
class Claim:
    """`quotes` is all that its text may rest on."""

    number: int
    text: str
    quotes: str


@dataclass(frozen=True, slots=True)
class _Setting:
    config: AiConfig
    road: ModelRoad


async def write_answer(
    resources: Resources,
    who: Principal,
    question: str,
    *,
    passages: Sequence[dict[str, Any]],
    said_before: Sequence[dict[str, Any]] = (),
    resolve: ResolveModel = resolve_model,
) -> Written:
    """A draft from these passages and nothing else. Raises RunFailure; what was asked of models is paid for anyway."""
    prompt = Prompt(
        operation=Operation.ANSWER,
        user_input=question,
        files=[],
        conversation_history=list(said_before),
        material={"passages": list(passages)},
    )
    setting = await _setting(resources, who, Operation.ANSWER, resolve)
    draft, model = await _run(resources, who, prompt, setting)
    return Written(GroundedDraft.model_validate(draft), model)


async def judge_claims(
    resources: Resources, who: Principal, claims: Sequence[Claim], *, resolve: ResolveModel = resolve_model
) -> dict[int, float] | None:
    """How far each claim follows from its quotes, 0 to 1, by its number; one that the model passes over does not
    follow. None where no model but `local` is configured to judge. Raises RunFailure."""
    setting = await _setting(resources, who, Operation.JUDGE_CLAIMS, resolve)
    if setting.config.model == LOCAL_MODEL:
        return None
    prompt = Prompt(
        operation=Operation.JUDGE_CLAIMS,
        user_input="",
        files=[],
        material={"claims": [asdict(claim) for claim in claims]},
    )
    found, _ = await _run(resources, who, prompt, setting)
    judged = dict.fromkeys((claim.number for claim in claims), 0.0)
    # Sorted, so that of two judgements of one claim the lower one stands.
    for one in sorted(EntailmentResult.model_validate(found).claims, key=lambda one: -one.support):
        if one.number in judged:
            judged[one.number] = one.support
    return judged


async def summarize(
    resources: Resources,
    who: Principal,
    *,
    before: str,
    messages: Sequence[dict[str, str]],
    resolve: ResolveModel = resolve_model,
) -> Summary | None:
    """One summary of the one `before` and of the messages after it. None where `local` is configured or had to stand
    in: extraction is done without being asked for. Raises RunFailure."""
    setting = await _setting(resources, who, Operation.SUMMARIZE, resolve)
    if setting.config.model == LOCAL_MODEL:
        return None
    prompt = Prompt(
        operation=Operation.SUMMARIZE,
        user_input="",
        files=[],
        material={"summary": before, "messages": list(messages)},
    )
    found, model = await _run(resources, who, prompt, setting)
    # PostgreSQL refuses a NUL, and a model may write anything.
    text = SummaryResult.model_validate(found).summary.replace("\x00", " ").strip()
    return None if model == LOCAL_MODEL or not text else Summary(text, model, setting.config.version)


async def _setting(resources: Resources, who: Principal, operation: Operation, resolve: ResolveModel) -> _Setting:
    async with resources.db.session() as db:
        try:
            row = await ai_config.chosen(db, AGENT_OF[operation], f"user:{who.user_id}")
        except ConfigMissing as error:
            raise RunFailure(error.detail, passing=False) from error
        return _Setting(row, await road_to_models(db, resources, resolve))


async def _run(resources: Resources, who: Principal, prompt: Prompt, setting: _Setting) -> tuple[BaseModel, str]:
    """What the agent answered, and the model that did."""
    config = ConfigValues.model_validate(setting.config)
    deps = equipped(resources, who.user_id, config, tools=frozenset())
    meter, version = Meter(), setting.config.version
    answer = await asked(
        resources, who, prompt, config=config, version=version, deps=deps, meter=meter, road=setting.road
    )
    return answer, meter.journal.answered_by or config.model
