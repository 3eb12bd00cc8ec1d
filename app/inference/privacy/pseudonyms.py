"""Personal data replaced on the way to a remote model, and put back into what it answers.

A value has the same placeholder throughout a run, numbered in the order in which values are met, so that the model can
still tell one address from another. The values live in this object alone, for as long as the run; what is recorded is
how many of each kind there were.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic_ai.messages import (
    BaseToolCallPart,
    BaseToolReturnPart,
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    ModelResponsePart,
    RetryFeedbackPart,
    TextContent,
    TextPart,
    UserPromptPart,
)
from pydantic_core import to_jsonable_python

from app.inference.privacy.detectors import PLACEHOLDER, findings

_LONG_NUMBER = 10**8
"""A number in JSON may be a telephone's or a card's; a smaller one is neither."""


@dataclass(slots=True)
class Pseudonyms:
    regions: Sequence[str] = ()
    _by_value: dict[tuple[str, str], str] = field(default_factory=dict)
    _values: dict[str, str] = field(default_factory=dict)
    _known_texts: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    """How many different values of each kind were replaced."""

    def hide(self, messages: Sequence[ModelMessage]) -> list[ModelMessage]:
        """The same conversation without personal data. Instructions are the installation's own words, and stay."""
        return [
            replace(message, parts=[_request_part(part, self.hidden) for part in message.parts])
            if isinstance(message, ModelRequest)
            else replace(message, parts=[response_part(part, self.hidden) for part in message.parts])
            for message in messages
        ]

    def restore(self, answer: ModelResponse) -> ModelResponse:
        return replace(answer, parts=[response_part(part, self.restored) for part in answer.parts])

    def hidden(self, text: str) -> str:
        known = self._known_texts.get(text)
        if known is None:
            known = self._known_texts[text] = self._replaced(text)
        return known

    def restored(self, text: str) -> str:
        return PLACEHOLDER.sub(lambda match: self._values.get(match[0], match[0]), text)

    def _replaced(self, text: str) -> str:
        parts, position = [], 0
        for finding in findings(text, regions=self.regions):
            value = text[finding.start : finding.end]
            parts += [text[position : finding.start], self._placeholder(finding.kind, value)]
            position = finding.end
        return "".join([*parts, text[position:]])

    def _placeholder(self, kind: str, value: str) -> str:
        name = self._by_value.get((kind, value))
        if name is None:
            self.counts[kind] += 1
            name = f"[{kind.upper()}_{self.counts[kind]}]"
            self._by_value[kind, value] = name
            self._values[name] = value
        return name


Change = Callable[[str], str]


def in_json(value: Any, change: Change) -> Any:
    """Every text of a JSON value changed, also the names of members, and numbers long enough to be somebody's."""
    match value:
        case str():
            return change(value)
        case dict():
            return {change(str(key)): in_json(item, change) for key, item in value.items()}
        case list() | tuple():
            return [in_json(item, change) for item in value]
        case int() if not isinstance(value, bool) and abs(value) >= _LONG_NUMBER:
            changed = change(str(value))
            return value if changed == str(value) else changed
        case _:
            return value


def in_text(text: str, change: Change) -> str:
    """A text that is a JSON document is changed inside its strings, so that it stays one."""
    if text.startswith(("{", "[")):
        try:
            document = json.loads(text)
        except ValueError:
            return change(text)
        return json.dumps(in_json(document, change), ensure_ascii=False)
    return change(text)


def _request_part(part: ModelRequestPart, change: Change) -> ModelRequestPart:
    match part:
        case UserPromptPart(content=str() as content):
            return replace(part, content=in_text(content, change))
        case UserPromptPart(content=content):
            return replace(part, content=[_user_content(item, change) for item in content])
        case BaseToolReturnPart(content=content):
            return replace(part, content=_returned(content, change))
        case RetryFeedbackPart(content=content):
            if isinstance(content, str):
                return replace(part, content=change(content))
            return replace(part, content=in_json(to_jsonable_python(content, fallback=str), change))
        case _:
            return part


def _user_content(item: Any, change: Change) -> Any:
    if isinstance(item, str):
        return in_text(item, change)
    if isinstance(item, TextContent):
        return replace(item, content=change(item.content))
    return item


def _returned(content: Any, change: Change) -> Any:
    if isinstance(content, str):
        return in_text(content, change)
    return in_json(to_jsonable_python(content, fallback=str), change)


def response_part(part: ModelResponsePart, change: Change) -> ModelResponsePart:
    match part:
        case TextPart(content=content):
            return replace(part, content=in_text(content, change))
        case BaseToolCallPart(args=str() as arguments):
            return replace(part, args=in_text(arguments, change))
        case BaseToolCallPart(args=dict() as arguments):
            return replace(part, args=in_json(arguments, change))
        case _:
            return part
