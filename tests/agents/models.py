"""Models that do what a test says, and remember what they were given."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic_ai.exceptions import ModelAuthenticationError, ModelHTTPError, ModelRateLimitError, ModelServerError
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, ToolCallPart, UserPromptPart
from pydantic_ai.models import Model
from pydantic_ai.models.function import AgentInfo, FunctionModel

from app.core.settings import Settings

Step = ModelResponse | Exception | Callable[[], Awaitable[None]]
"""An answer, an error, or something that happens meanwhile; the answer is then the next step."""

DRAFT: dict[str, Any] = {"title": "Checkout fails", "description": "ERR_PAYMENT_504 since noon."}
ANSWER: dict[str, Any] = {
    **DRAFT,
    "category": "incident",
    "priority": "high",
    "team": "operations",
    "tags": ["payment"],
    "confidence": 0.8,
    "next_actions": ["Look at the gateway."],
    "evidence": [{"source": "text", "quote": "ERR_PAYMENT_504"}],
}
TRIAGE: dict[str, Any] = {
    "category": "incident",
    "priority": "high",
    "team": "operations",
    "confidence": 0.8,
    "reasoning": "“cannot pay” stops business.",
    "alternatives": [{"category": "billing", "confidence": 0.1}],
}


_CATEGORIES: dict[int, type[ModelRateLimitError | ModelServerError | ModelAuthenticationError] | None] = {
    401: ModelAuthenticationError,
    429: ModelRateLimitError,
    500: ModelServerError,
    418: None,
}


def calling(tool: str, **arguments: Any) -> ModelResponse:
    return ModelResponse(parts=[ToolCallPart(tool, arguments)])


def answering(**changes: Any) -> ModelResponse:
    return calling("final_result", **{**ANSWER, **changes})


def refusing(status: int) -> ModelHTTPError:
    """As the adapters of real providers raise it."""
    return ModelHTTPError.for_category(_CATEGORIES[status], status_code=status, model_name="scripted")


@dataclass
class Script:
    """Answers step by step; after the last it goes on with the last."""

    steps: list[Step]
    seen: list[list[ModelMessage]] = field(default_factory=list)
    infos: list[AgentInfo] = field(default_factory=list)

    def resolve(self, _name: str, _settings: Settings) -> Model:
        return FunctionModel(self._respond, model_name="scripted")

    async def _respond(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        self.seen.append(list(messages))
        self.infos.append(info)
        step = self._next()
        while not isinstance(step, ModelResponse | Exception):
            await step()
            step = self._next()
        if isinstance(step, Exception):
            raise step
        return step

    def _next(self) -> Step:
        return self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]

    @property
    def offered(self) -> set[str]:
        return {tool.name for tool in self.infos[0].function_tools}

    @property
    def prompt(self) -> dict[str, Any]:
        request = self.seen[0][0]
        assert isinstance(request, ModelRequest)
        (part,) = (part for part in request.parts if isinstance(part, UserPromptPart))
        document: dict[str, Any] = json.loads(str(part.content))
        return document
