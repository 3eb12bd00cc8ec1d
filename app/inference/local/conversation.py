"""Reads an agent's messages: what was asked, and what each tool answered.

The prompt is one JSON document (`operation`, `user_input`, `files`, `page_context`, `conversation_history`,
`integration`); anything else is taken as the person's own words. Texts are data: no word in them selects a tool.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    RetryPromptPart,
    TextContent,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)


@dataclass(frozen=True, slots=True)
class FileRef:
    id: str
    filename: str
    file_type: str


@dataclass(frozen=True, slots=True)
class Report:
    operation: str | None
    user_input: str
    files: tuple[FileRef, ...] = ()
    page_context: dict[str, Any] = field(default_factory=dict)
    said_before: tuple[str, ...] = ()
    """What the person (not the desk) wrote earlier in the conversation."""
    integration: str | None = None
    ticket_id: int | None = None
    material: dict[str, Any] = field(default_factory=dict)
    """What earlier steps of the work on a ticket found."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    tool: str
    arguments: dict[str, Any]
    content: Any
    """The tool's answer; the words of the error when `ok` is false."""
    ok: bool


@dataclass(frozen=True, slots=True)
class Conversation:
    report: Report
    results: tuple[ToolResult, ...] = ()

    def of(self, tool: str) -> list[ToolResult]:
        return [result for result in self.results if result.tool == tool]

    def answer(self, tool: str) -> Any | None:
        """What the tool answered when it last succeeded."""
        return next((result.content for result in reversed(self.results) if result.tool == tool and result.ok), None)


_DESK_ROLES = frozenset({"assistant", "agent", "system", "bot", "summary"})


def read_conversation(messages: Sequence[ModelMessage]) -> Conversation:
    """Starts at the last prompt: an earlier run in the same history is not this run's business."""
    first, report = 0, Report(operation=None, user_input="")
    for index, message in enumerate(messages):
        if isinstance(message, ModelRequest):
            for part in message.parts:
                read = _report(_prompt_text(part)) if isinstance(part, UserPromptPart) else None
                # A framework note may follow the prompt as plain words; a document is never displaced by it.
                if read and (read.operation or report.operation is None):
                    first, report = index, read
    return Conversation(report, tuple(_results(messages[first:])))


def _results(messages: Iterable[ModelMessage]) -> Iterable[ToolResult]:
    calls: dict[str, ToolCallPart] = {}
    for message in messages:
        if isinstance(message, ModelResponse):
            calls.update({part.tool_call_id: part for part in message.parts if isinstance(part, ToolCallPart)})
            continue
        for part in message.parts:
            if isinstance(part, ToolReturnPart | RetryPromptPart) and part.tool_call_id in calls:
                call = calls[part.tool_call_id]
                ok = isinstance(part, ToolReturnPart) and part.outcome == "success"
                yield ToolResult(call.tool_name, call.args_as_dict(), _plain(part.content), ok)


def _plain(content: Any) -> Any:
    """Tools answer with data or with JSON as text; FastMCP wraps what is not an object into {"result": …}."""
    if isinstance(content, str):
        try:
            content = json.loads(content)
        except ValueError:
            return content
    if isinstance(content, dict) and content.keys() == {"result"}:
        return content["result"]
    return content


def _prompt_text(part: UserPromptPart) -> str:
    if isinstance(part.content, str):
        return part.content
    pieces = (item.content if isinstance(item, TextContent) else item for item in part.content)
    return "\n".join(piece for piece in pieces if isinstance(piece, str))


def _report(text: str) -> Report:
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict) or not isinstance(document.get("user_input"), str):
        return Report(operation=None, user_input=text)
    page = document.get("page_context")
    integration = document.get("integration")
    number, material = document.get("ticket_id"), document.get("material")
    return Report(
        operation=str(document.get("operation") or "") or None,
        user_input=document["user_input"],
        files=tuple(_files(document.get("files"))),
        page_context=page if isinstance(page, dict) else {},
        said_before=tuple(_said(document.get("conversation_history"))),
        integration=integration if isinstance(integration, str) and integration else None,
        ticket_id=number if isinstance(number, int) else None,
        material=material if isinstance(material, dict) else {},
    )


def _files(entries: Any) -> Iterable[FileRef]:
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and entry.get("id"):
            identity = str(entry["id"])
            yield FileRef(identity, str(entry.get("filename") or identity), str(entry.get("file_type") or ""))


def _said(entries: Any) -> Iterable[str]:
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, str):
            yield entry
        elif isinstance(entry, dict) and str(entry.get("role")) not in _DESK_ROLES:
            content = entry.get("content") or entry.get("body") or entry.get("text")
            if isinstance(content, str):
                yield content
