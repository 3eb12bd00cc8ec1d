"""Drafts of answers: no run that anybody waits for or looks at, but with the same models, limits, privacy and price."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.agents.declarations import RunDeps
from app.agents.errors import RunFailure
from app.agents.results import GroundedDraft
from app.agents.running import Meter, Prompt, run_agent
from app.ai_config import service as ai_config
from app.ai_config.catalogue import AgentType
from app.ai_config.errors import ConfigMissing
from app.ai_config.prompts import rendered, variables
from app.ai_config.schemas import ConfigValues
from app.analytics import service as analytics
from app.core.auth import Principal
from app.core.resources import Resources
from app.inference.assembly import ResolveModel
from app.inference.operations import Operation
from app.inference.registry import resolve as resolve_model
from app.providers import service as providers


@dataclass(frozen=True, slots=True)
class Written:
    draft: GroundedDraft
    model: str


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
    async with resources.db.session() as db:
        try:
            row = await ai_config.chosen(db, AgentType.ANSWER, f"user:{who.user_id}")
        except ConfigMissing as error:
            raise RunFailure(error.detail, passing=False) from error
        rules = await providers.platform(db)
        stopped = await analytics.over_budget(db, rules.costs)
    config = ConfigValues.model_validate(row)
    instructions = rendered(config.system_prompt, variables(resources.settings, ()))
    deps = RunDeps(instructions, frozenset(), mcp_url="", token="", headers={}, must_create=False)
    prompt = Prompt(
        operation=Operation.ANSWER,
        user_input=question,
        files=[],
        conversation_history=list(said_before),
        material={"passages": list(passages)},
    )
    meter = Meter()
    try:
        draft = await run_agent(
            AgentType.ANSWER,
            prompt,
            config=config,
            deps=deps,
            meter=meter,
            road=providers.road(resources, rules, resolve, over_budget=stopped),
            user_id=who.user_id,
            version=row.version,
        )
    finally:
        async with resources.db.unit_of_work() as db:
            await analytics.record(
                db,
                meter.journal.calls,
                user_id=who.user_id,
                operation=prompt.operation,
                run_id=None,
                costs=rules.costs,
            )
    return Written(GroundedDraft.model_validate(draft), meter.journal.answered_by or config.model)
