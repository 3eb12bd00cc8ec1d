"""What an agent starts with: the road to its models, and the door to its tools as the person who asked."""

import uuid
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from app.agents.declarations import RunDeps
from app.ai_config.prompts import rendered, variables
from app.ai_config.schemas import ConfigValues
from app.analytics import service as analytics
from app.core.resources import Resources
from app.core.telemetry import CORRELATION_HEADER, correlation_id, inject
from app.inference.assembly import ModelRoad, ResolveModel
from app.providers import service as providers
from mcp_client.client import ToolDoor

TOKEN_MARGIN = timedelta(seconds=30)


async def road_to_models(
    db: AsyncSession, resources: Resources, resolve: ResolveModel, *, alone: bool = False
) -> ModelRoad:
    """By the rules and the budget of this moment. `alone`: to the configured model, with none to stand in."""
    rules = await providers.platform(db)
    stopped = await analytics.over_budget(db, rules.costs)
    return providers.road(resources, rules, resolve, over_budget=stopped, alone=alone)


def equipped(
    resources: Resources,
    user_id: int,
    config: ConfigValues,
    *,
    tools: frozenset[str],
    run_id: uuid.UUID | None = None,
    must_create: bool = False,
) -> RunDeps:
    """The token lives a little longer than the run may, and opens these tools and nothing else."""
    door = None
    if tools:
        token = resources.signer.mint(
            user_id,
            audience="mcp",
            lifetime=timedelta(seconds=config.timeout) + TOKEN_MARGIN,
            scopes=tools,
            run_id=None if run_id is None else str(run_id),
        )
        door = ToolDoor(resources.settings.mcp_endpoint, token, _headers(), resources.connections)
    instructions = rendered(config.system_prompt, variables(resources.settings, tools))
    return RunDeps(instructions, tools, door, must_create=must_create)


def _headers() -> dict[str, str]:
    """The trace and the request id, as the tool server's door expects them."""
    carrier = inject()
    carrier.pop("correlation_id", None)
    return {**carrier, CORRELATION_HEADER: correlation_id.get() or uuid.uuid4().hex}
