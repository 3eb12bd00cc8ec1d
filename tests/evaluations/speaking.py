"""A server that speaks OpenAI's Chat Completions and sorts reports as its instructions say."""

import json
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

MODEL = "compatible:desk/sorter"
LAZY = "say general"


@dataclass
class Sorter:
    """Told to "say general" it does; else it looks for the word that gives a report away. `status`: refuse with it."""

    status: int = 200
    systems: list[str] = field(default_factory=list)

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/v1/chat/completions", self.answer, methods=["POST"])])

    async def answer(self, request: Request) -> Response:
        body = await request.json()
        system = " ".join(one["content"] for one in body["messages"] if one["role"] == "system")
        self.systems.append(system)
        if self.status != 200:
            return JSONResponse({"error": {"message": "no", "type": "x"}}, self.status)
        told = json.loads(next(one["content"] for one in body["messages"] if one["role"] == "user"))
        arguments = json.dumps(_answer("general" if LAZY in system.lower() else _category(told["user_input"])))
        called = {"id": "t1", "type": "function", "function": {"name": "final_result", "arguments": arguments}}
        message = {"role": "assistant", "content": None, "tool_calls": [called]}
        return JSONResponse(
            {
                "id": "c1",
                "object": "chat.completion",
                "created": 1,
                "model": "sorter",
                "choices": [{"index": 0, "finish_reason": "tool_calls", "message": message}],
                "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
            }
        )


def _category(text: str) -> str:
    words = {"charged": "billing", "invoice": "billing", "password": "account"}
    return next((category for word, category in words.items() if word in text), "general")


def _answer(category: str) -> dict[str, Any]:
    return {
        "category": category,
        "priority": "medium",
        "team": "billing" if category == "billing" else "support",
        "confidence": 0.9,
        "reasoning": "It says so.",
        "alternatives": [],
    }
