"""Trying a configuration out beside the active one, on the same input, without a trace."""

import asyncio
import time
from typing import Any

from app.agents.errors import RunFailure
from app.agents.records import kept
from app.agents.running import Meter, Prompt
from app.agents.schemas import TrialCall, TrialOut, TrialRun
from app.agents.service.asking import asked
from app.agents.service.equipping import equipped, road_to_models
from app.ai_config.catalogue import AGENT_OF, READING_TOOLS, AgentType
from app.ai_config.schemas import ConfigValues
from app.core.auth import Principal
from app.core.resources import Resources
from app.inference.assembly import ModelRoad, ResolveModel
from app.inference.local.model import LOCAL_MODEL
from app.inference.registry import resolve as resolve_model
from app.learning import service as learning

FOR_LANGUAGE_MODELS = ("system_prompt", "temperature", "max_tokens")
"""What `local` does not look at."""

_OPERATION_OF = {kind: operation for operation, kind in AGENT_OF.items()}


async def try_out(
    resources: Resources,
    who: Principal,
    kind: AgentType,
    *,
    candidate: ConfigValues,
    active: ConfigValues,
    version: int,
    text: str,
    resolve: ResolveModel = resolve_model,
) -> TrialOut:
    """Both at once, each within the time a request may wait. What fails is an outcome, not an error."""
    road = await _road(resources, resolve)

    def within_wait(config: ConfigValues) -> ConfigValues:
        return config.model_copy(update={"timeout": min(config.timeout, resources.settings.http.run_wait_seconds)})

    new, old = await asyncio.gather(
        _one(resources, who, within_wait(candidate), None, _prompt(kind, text, None), road),
        _one(resources, who, within_wait(active), version, _prompt(kind, text, None), road),
    )
    return TrialOut(agent_type=kind, candidate=new, active=old, notes=_notes(candidate, active))


async def try_alone(
    resources: Resources,
    who: Principal,
    kind: AgentType,
    *,
    config: ConfigValues,
    version: int | None,
    text: str,
    material: dict[str, Any] | None,
    resolve: ResolveModel = resolve_model,
) -> TrialRun:
    """One configuration, within its own timeout."""
    road = await _road(resources, resolve)
    return await _one(resources, who, config, version, _prompt(kind, text, material), road)


async def _road(resources: Resources, resolve: ResolveModel) -> ModelRoad:
    """To the configured model alone: nobody stands in for what is tried."""
    async with resources.db.session() as db:
        await learning.refresh(db)
        return await road_to_models(db, resources, resolve, alone=True)


def _notes(candidate: ConfigValues, active: ConfigValues) -> list[str]:
    changed = [name for name in FOR_LANGUAGE_MODELS if getattr(candidate, name) != getattr(active, name)]
    if candidate.model != LOCAL_MODEL or not changed:
        return []
    said = f"The model {LOCAL_MODEL} plans by rule and reads no prompt, so {' and '.join(changed)} change nothing here."
    return [f"{said} They count with a language model: try `model` together with them."]


def _prompt(kind: AgentType, text: str, material: dict[str, Any] | None) -> Prompt:
    return Prompt(operation=_OPERATION_OF[kind], user_input=text, files=[], material=material)


async def _one(
    resources: Resources,
    who: Principal,
    config: ConfigValues,
    version: int | None,
    prompt: Prompt,
    road: ModelRoad,
) -> TrialRun:
    tools = READING_TOOLS.intersection(config.tools_enabled)
    deps = equipped(resources, who.user_id, config, tools=tools)
    started = time.perf_counter()
    meter = Meter()
    answer, failure = None, None
    try:
        answer = await asked(resources, who, prompt, config=config, version=version, deps=deps, meter=meter, road=road)
    except RunFailure as error:
        failure = error
    return TrialRun(
        version=version,
        model=config.model,
        status="failed" if answer is None else "completed",
        result=None if answer is None else answer.model_dump(mode="json"),
        error=None if failure is None else failure.reason,
        tool_calls=[TrialCall(**kept(call)) for call in deps.calls.calls],
        input_tokens=meter.usage.input_tokens,
        output_tokens=meter.usage.output_tokens,
        cost_usd=meter.cost_usd,
        seconds=round(time.perf_counter() - started, 4),
    )
