"""A server that speaks as four providers do, and fails when told to."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


@dataclass
class Provider:
    """Answers `text`, or `call` as a tool call; first goes through `faults`: an HTTP status, or seconds to wait."""

    text: str = "Done."
    faults: list[int | float] = field(default_factory=list)
    retry_after: str | None = None
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    reply: Any = None

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/chat/completions", self.chat, methods=["POST"]),
                Route("/openai/v1/chat/completions", self.chat, methods=["POST"]),
                Route("/openai/deployments/{model}/chat/completions", self.chat, methods=["POST"]),
                Route("/v1/responses", self.responses, methods=["POST"]),
                Route("/v1/messages", self.messages, methods=["POST"]),
                Route("/model/{model}/converse", self.converse, methods=["POST"]),
            ]
        )

    async def _fault(self, request: Request, kind: str) -> Response | None:
        body = await request.json()
        self.asked.append((kind, body))
        fault = self.faults.pop(0) if self.faults else 0
        if fault >= 400:
            headers = {} if self.retry_after is None else {"retry-after": self.retry_after}
            return JSONResponse({"error": {"message": "no", "type": "x"}, "message": "no"}, int(fault), headers=headers)
        if fault:
            await asyncio.sleep(fault)
        return None

    def said(self) -> str:
        """The answer to the last request: `reply` may look at it."""
        return self.text if self.reply is None else self.reply(json.dumps(self.asked[-1][1], ensure_ascii=False))

    async def chat(self, request: Request) -> Response:
        if (failed := await self._fault(request, "chat")) is not None:
            return failed
        return JSONResponse(
            {
                "id": "c1",
                "object": "chat.completion",
                "created": 1,
                "model": "m",
                "choices": [
                    {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": self.said()}}
                ],
                "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
            }
        )

    async def responses(self, request: Request) -> Response:
        if (failed := await self._fault(request, "responses")) is not None:
            return failed
        content = [{"type": "output_text", "text": self.said(), "annotations": []}]
        return JSONResponse(
            {
                "id": "r1",
                "object": "response",
                "created_at": 1,
                "status": "completed",
                "model": "m",
                "output": [
                    {"type": "message", "id": "m1", "role": "assistant", "status": "completed", "content": content}
                ],
                "parallel_tool_calls": True,
                "tool_choice": "auto",
                "tools": [],
                "usage": {
                    "input_tokens": 1000,
                    "output_tokens": 100,
                    "total_tokens": 1100,
                    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
                    "output_tokens_details": {"reasoning_tokens": 0},
                },
            }
        )

    async def messages(self, request: Request) -> Response:
        if (failed := await self._fault(request, "messages")) is not None:
            return failed
        return JSONResponse(
            {
                "id": "m1",
                "type": "message",
                "role": "assistant",
                "model": "m",
                "content": [{"type": "text", "text": self.said()}],
                "stop_reason": "end_turn",
                "stop_sequence": None,
                "usage": {"input_tokens": 1000, "output_tokens": 100},
            }
        )

    async def converse(self, request: Request) -> Response:
        if (failed := await self._fault(request, "converse")) is not None:
            return failed
        return JSONResponse(
            {
                "output": {"message": {"role": "assistant", "content": [{"text": self.said()}]}},
                "stopReason": "end_turn",
                "usage": {"inputTokens": 1000, "outputTokens": 100, "totalTokens": 1100},
                "metrics": {"latencyMs": 1},
            }
        )
