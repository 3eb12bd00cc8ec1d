"""Answers of remote models, kept in Redis for equal questions.

The key is made of everything that decides an answer: operation, model, configuration version, settings, tools and
the messages as the model sees them, personal data already replaced. Where something was replaced the person is part of
the key too: two people's questions may then look alike and are not.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelResponse
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.settings import ModelSettings
from pydantic_core import to_jsonable_python

from app.core.redis import REDIS_AWAY, Redis, RedisError

_PREFIX = "model-answer:"
_MAX_BYTES = 256 * 1024
_KEPT_FINISHES = frozenset({None, "stop", "tool_call"})
_INCIDENTAL = frozenset({"timestamp", "run_id", "conversation_id", "usage", "metadata", "provider_response_id"})
"""Of a message: what differs between two runs that ask the same."""


@dataclass(frozen=True, slots=True)
class CacheScope:
    """`user_id` is None where an answer may be given to anybody who asks the same."""

    operation: str
    model: str
    config_version: int | None
    user_id: int | None


@dataclass(frozen=True, slots=True)
class AnswerCache:
    redis: Redis
    ttl_seconds: int

    async def get(self, key: str) -> ModelResponse | None:
        """None also while Redis is away, and for what a former release wrote."""
        try:
            kept = await self.redis.get(_PREFIX + key)
        except (*REDIS_AWAY, RedisError):
            return None
        if kept is None:
            return None
        try:
            (message,) = ModelMessagesTypeAdapter.validate_json(kept)
        except (ValidationError, ValueError):
            return None
        return message if isinstance(message, ModelResponse) else None

    async def put(self, key: str, answer: ModelResponse) -> None:
        if answer.finish_reason not in _KEPT_FINISHES:
            return
        kept = ModelMessagesTypeAdapter.dump_json([answer])
        if len(kept) > _MAX_BYTES:
            return
        try:
            await self.redis.set(_PREFIX + key, kept, ex=self.ttl_seconds)
        except (*REDIS_AWAY, RedisError):
            return


def cache_key(
    scope: CacheScope,
    messages: Sequence[ModelMessage],
    settings: ModelSettings | None,
    parameters: ModelRequestParameters,
) -> str:
    ids: dict[str, str] = {}
    document = {
        "scope": asdict(scope),
        "messages": [_plain(message, ids) for message in to_jsonable_python(list(messages), fallback=str)],
        "settings": to_jsonable_python(dict(settings or {}), fallback=str),
        "tools": [
            [tool.name, tool.description, tool.parameters_json_schema]
            for tool in [*parameters.function_tools, *parameters.output_tools]
        ],
    }
    text = json.dumps(document, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any, ids: dict[str, str]) -> Any:
    """Without what is incidental; calls are numbered in their order instead of by their random ids."""
    if isinstance(value, list):
        return [_plain(item, ids) for item in value]
    if not isinstance(value, dict):
        return value
    plain = {key: _plain(item, ids) for key, item in value.items() if key not in _INCIDENTAL}
    call = value.get("tool_call_id")
    if isinstance(call, str):
        plain["tool_call_id"] = ids.setdefault(call, f"call-{len(ids)}")
    return plain
