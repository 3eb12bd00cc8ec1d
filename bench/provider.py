"""A model's provider that is slow and fails: `uvicorn bench.provider:app`. It opens a ticket, then answers."""

import asyncio
import json
from itertools import count
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

SECONDS = 0.2
FAULTS = {3: 500, 7: 429}
"""Of every ten requests, by their place."""
DRAFT = {"title": "Checkout fails", "description": "ERR_PAYMENT_504 since noon."}
ANSWER: dict[str, Any] = {
    **DRAFT,
    "category": "incident",
    "priority": "high",
    "team": "operations",
    "tags": ["payment"],
    "confidence": 0.8,
    "next_actions": ["Look at the gateway."],
    "evidence": [],
}
_numbers = count()


async def chat(request: Request) -> Response:
    asked = await request.json()
    await asyncio.sleep(SECONDS)
    fault = FAULTS.get(next(_numbers) % 10)
    if fault is not None:
        return JSONResponse({"error": {"message": "not now"}}, fault)
    opened = asked["messages"][-1]["role"] == "tool"
    name, arguments = ("final_result", ANSWER) if opened else ("create_ticket", DRAFT)
    call = {"id": "c1", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    return JSONResponse(
        {
            "id": "x",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "finish_reason": "tool_calls", "message": message}],
            "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
        }
    )


app = Starlette(routes=[Route("/v1/chat/completions", chat, methods=["POST"])])
