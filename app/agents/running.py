"""One run of an agent, from a configuration and a prompt to an answer or a reason. Knows no table."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from pydantic_ai.exceptions import (
    AgentRunError,
    ModelAPIError,
    ModelConnectionError,
    ModelHTTPError,
    ModelRateLimitError,
    ModelRequestRejectedError,
    ModelServerError,
    ModelUnavailableError,
    RunTimedOut,
    UnexpectedModelBehavior,
    UsageLimitExceeded,
)
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RunUsage, UsageLimits

from app.agents.declarations import AGENTS, RunDeps
from app.agents.errors import RunFailure
from app.ai_config.catalogue import AgentType
from app.ai_config.schemas import ConfigValues
from app.core.telemetry import get_logger, span
from app.inference.assembly import ModelRoad
from app.inference.calls import Journal
from app.inference.chain import NoProviderLeft, Purpose
from app.inference.errors import ModelUnavailable, UnknownModel
from mcp_client.client import ToolServerAway

log = get_logger(__name__)

MAX_MODEL_REQUESTS = 30
MAX_TOOL_CALLS = 60
SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the model is told, always as one JSON document in the user's message: all of it was written by others."""

    operation: str
    user_input: str
    files: list[dict[str, str]]
    page_context: dict[str, Any] | None = None
    conversation_history: list[dict[str, Any]] | None = None
    integration: str | None = None
    ticket_id: int | None = None
    material: dict[str, Any] | None = None

    def document(self) -> str:
        about_a_ticket = {} if self.ticket_id is None else {"ticket_id": self.ticket_id}
        found = {} if self.ticket_id is None and self.material is None else {"material": self.material}
        return json.dumps(
            {
                "operation": self.operation,
                "user_input": self.user_input,
                "files": self.files,
                "page_context": self.page_context,
                "conversation_history": self.conversation_history or [],
                "integration": self.integration,
                **about_a_ticket,
                **found,
            },
            ensure_ascii=False,
        )


@dataclass(slots=True)
class Meter:
    """What an agent has used up so far, whether or not it came to an answer."""

    usage: RunUsage = field(default_factory=RunUsage)
    journal: Journal = field(default_factory=Journal)

    @property
    def cost_usd(self) -> float | None:
        """An estimate; None where the cost of some call is not known."""
        return None if self.journal.unpriced else float(self.journal.cost_usd)


async def run_agent(
    kind: AgentType,
    prompt: Prompt,
    *,
    config: ConfigValues,
    deps: RunDeps,
    meter: Meter,
    road: ModelRoad,
    user_id: int,
    version: int | None,
) -> BaseModel:
    """The agent's answer. Raises RunFailure, and lets cancellation through; `deps.calls` and `meter` then hold what was
    done up to that point."""
    with span(f"agent {kind.value}", operation=prompt.operation, model=config.model):
        try:
            purpose = Purpose(prompt.operation, user_id, version, asyncio.get_running_loop().time() + config.timeout)
            # In a thread: a provider's library is imported when first asked for, and the lease is renewed meanwhile.
            found = await asyncio.to_thread(road.model, config.model, purpose, meter.journal)
            # Entered, so that the connections to its providers end with the run.
            async with found as model:
                finished = await AGENTS[kind].run(
                    prompt.document(),
                    model=model,
                    deps=deps,
                    model_settings=ModelSettings(temperature=config.temperature, max_tokens=config.max_tokens),
                    usage=meter.usage,
                    usage_limits=UsageLimits(request_limit=MAX_MODEL_REQUESTS, tool_calls_limit=MAX_TOOL_CALLS),
                    timeout=config.timeout,
                )
        except (ModelUnavailable, UnknownModel) as error:
            raise RunFailure(error.detail, passing=False) from error
        except RunTimedOut as error:
            raise RunFailure(f"The run took longer than its limit of {config.timeout:g} s.", passing=False) from error
        except AgentRunError as error:
            raise _failure(error) from error
        except ToolServerAway as error:
            log.warning("tool_server_away", error=type(error.__cause__ or error).__name__)
            raise RunFailure("The tool server could not be reached.", passing=True) from error
    answer: BaseModel = finished.output
    return answer


def _failure(error: AgentRunError) -> RunFailure:
    """Says what went wrong without quoting what a provider or model said: that may hold the report itself."""
    status = f" (HTTP {error.status_code})" if isinstance(error, ModelHTTPError) else ""
    match error:
        case NoProviderLeft():
            return RunFailure("The model's providers cannot be asked at the moment.", passing=True)
        case ModelRateLimitError():
            return RunFailure(f"The model's provider asks for fewer requests{status}.", passing=True)
        case ModelServerError() | ModelUnavailableError():
            return RunFailure(f"The model's provider has a failure of its own{status}.", passing=True)
        case ModelConnectionError():
            return RunFailure("The model's provider could not be reached.", passing=True)
        case ModelRequestRejectedError():
            return RunFailure(f"The model's provider refused the request{status}.", passing=False)
        case ModelAPIError():
            passing = isinstance(error, ModelHTTPError) and error.status_code >= SERVER_ERROR
            return RunFailure(f"The call of the model failed{status}.", passing=passing)
        case UsageLimitExceeded():
            return RunFailure("The model went on longer than a run may.", passing=False)
        case UnexpectedModelBehavior():
            return RunFailure(f"The model gave no usable answer: {error.message}", passing=False)
        case _:
            return RunFailure(f"The run failed: {type(error).__name__}.", passing=False)
