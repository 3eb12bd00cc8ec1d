"""An agent's answer outside of any run: nothing of it is kept but its price."""

from pydantic import BaseModel

from app.agents.declarations import RunDeps
from app.agents.running import Meter, Prompt, run_agent
from app.ai_config.catalogue import AGENT_OF
from app.ai_config.schemas import ConfigValues
from app.analytics import service as analytics
from app.core.auth import Principal
from app.core.resources import Resources
from app.inference.assembly import ModelRoad
from app.inference.operations import Operation


async def asked(
    resources: Resources,
    who: Principal,
    prompt: Prompt,
    *,
    config: ConfigValues,
    version: int | None,
    deps: RunDeps,
    meter: Meter,
    road: ModelRoad,
) -> BaseModel:
    """Raises RunFailure; what was asked of models is paid for anyway."""
    try:
        return await run_agent(
            AGENT_OF[Operation(prompt.operation)],
            prompt,
            config=config,
            deps=deps,
            meter=meter,
            road=road,
            user_id=who.user_id,
            version=version,
        )
    finally:
        await analytics.record_alone(
            resources,
            meter.journal.calls,
            user_id=who.user_id,
            operation=prompt.operation,
            costs=road.platform.costs,
        )
