"""The local model: a Pydantic AI model that plans tool calls and answers without a network.

It is deterministic and says what it is: `model_name` is "local", `system` is "evidesk". It takes its task from the
prompt's document and from nothing else; what a report, a picture or a recording says is only ever quoted and weighed.
"""

import json
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from anyio import to_thread
from pydantic_ai import RunContext
from pydantic_ai.exceptions import UnexpectedModelBehavior
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, ModelResponsePart, TextPart, ToolCallPart
from pydantic_ai.models import CompletedStreamedResponse, Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.usage import RequestUsage

from app.inference.local.conversation import Conversation, read_conversation
from app.inference.local.drafting import draft
from app.inference.local.output import CannotFill, fill
from app.inference.local.planner import plan
from app.inference.local.specialists import SPECIALISTS

LOCAL_MODEL: Final = "local"
LOCAL_SYSTEM: Final = "evidesk"

_TOKEN = re.compile(r"\w+|[^\w\s]")


class LocalModel(Model[None]):
    """Needs no provider and no credentials. CPU work runs in a thread, so the event loop stays free."""

    def __init__(self, *, settings: ModelSettings | None = None) -> None:
        super().__init__(
            settings=settings,
            profile=ModelProfile(supports_json_schema_output=True, supports_json_object_output=True),
        )

    @property
    def model_name(self) -> str:
        return LOCAL_MODEL

    @property
    def system(self) -> str:
        return LOCAL_SYSTEM

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        _, parameters = self.prepare_request(model_settings, model_request_parameters)
        parts = await to_thread.run_sync(_respond, messages, parameters)
        return ModelResponse(
            parts=parts, model_name=LOCAL_MODEL, provider_name=LOCAL_SYSTEM, usage=_usage(messages, parts)
        )

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """The whole answer in one event: there is nothing to wait for token by token."""
        response = await self.request(messages, model_settings, model_request_parameters)
        yield CompletedStreamedResponse(response, model_request_parameters=model_request_parameters, replay_events=True)


def _respond(messages: Sequence[ModelMessage], parameters: ModelRequestParameters) -> list[ModelResponsePart]:
    conversation = read_conversation(messages)
    visible = [tool for tool in parameters.function_tools if parameters.visibility_of(tool.name) == "visible"]
    offered = {tool.name: tool for tool in visible}
    calls = plan(conversation, offered.keys())
    if calls:
        return [
            ToolCallPart(
                call.tool, _fitting(offered[call.tool], call.arguments), tool_call_id=_call_id(messages, index)
            )
            for index, call in enumerate(calls)
        ]
    specialist = SPECIALISTS.get(conversation.report.operation or "")
    facts = _facts(conversation) if specialist is None else specialist.facts(conversation)
    try:
        if parameters.output_tools:
            tool = parameters.output_tools[0]
            arguments = fill(tool.parameters_json_schema, facts)
            return [ToolCallPart(tool.name, arguments, tool_call_id=_call_id(messages, 0))]
        if parameters.output_object is not None:
            filled = fill(parameters.output_object.json_schema, facts)
            return [TextPart(json.dumps(filled, ensure_ascii=False))]
    except CannotFill as error:
        raise UnexpectedModelBehavior(_missing(str(error), conversation)) from error
    return [TextPart(_sentence(facts))]


def _facts(conversation: Conversation) -> dict[str, Any]:
    """Everything an output may ask for, by the name it is asked for under."""
    made = draft(conversation)
    created = conversation.answer("create_ticket")
    return {
        "ticket_id": created.get("id") or created.get("ticket_id") if isinstance(created, dict) else None,
        "title": made.title,
        "description": made.description,
        "category": made.decision.category,
        "priority": made.decision.priority,
        "team": made.decision.team,
        "tags": made.tags,
        "confidence": made.confidence,
        "reasoning": made.decision.reasoning,
        "alternatives": [
            {"category": category, "confidence": confidence} for category, confidence in made.decision.alternatives
        ],
        "file_analysis_summary": made.file_analysis_summary,
        "recommended_integration": made.recommended_integration,
        "next_actions": made.next_actions,
        "evidence": made.evidence,
    }


def _fitting(tool: ToolDefinition, arguments: dict[str, Any]) -> dict[str, Any]:
    """Only what the tool declares: an argument it does not know would be refused."""
    declared = tool.parameters_json_schema.get("properties", {})
    return {name: value for name, value in arguments.items() if name in declared}


def _call_id(messages: Sequence[ModelMessage], index: int) -> str:
    return f"local_{len(messages)}_{index}"


def _missing(name: str, conversation: Conversation) -> str:
    failures = [result for result in conversation.of("create_ticket") if not result.ok]
    why = f" The tool create_ticket answered: {failures[-1].content}" if failures else ""
    return f"The local model has nothing to put into “{name}”.{why}"


def _sentence(facts: dict[str, Any]) -> str:
    """For agents without a structured output."""
    ticket = f" as ticket {facts['ticket_id']}" if facts["ticket_id"] else ""
    return (
        f"This is the local model. “{facts['title']}” is filed{ticket} under {facts['category']}, priority "
        f"{facts['priority']}, team {facts['team']}, with confidence {facts['confidence']:.2f}. {facts['reasoning']}"
    )


def _usage(messages: Sequence[ModelMessage], parts: Sequence[ModelResponsePart]) -> RequestUsage:
    """Words and marks, not word pieces: a measure of size. The local model costs nothing."""
    requests = [message for message in messages if isinstance(message, ModelRequest)]
    read = [getattr(part, "content", "") for request in requests for part in request.parts]
    written = [part.args if isinstance(part, ToolCallPart) else getattr(part, "content", "") for part in parts]
    return RequestUsage(input_tokens=sum(map(_count, read)), output_tokens=sum(map(_count, written)))


def _count(content: Any) -> int:
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, default=str)
    return len(_TOKEN.findall(text))
