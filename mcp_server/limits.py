"""How often one person may call, and how long a call may take. Counted in Redis, for all server processes together."""

import asyncio
from typing import Any

from fastmcp.exceptions import FastMCPError, PromptError, ResourceError, ToolError
from fastmcp.server.dependencies import get_access_token
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext

from app.core.settings import ToolSettings
from mcp_server.desk import Desk

WINDOW_SECONDS = 60


class Limits(Middleware):
    """Comes behind the check of scopes: what is not open to a caller is not counted either."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def on_call_tool(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        return await self._within(context, call_next, f"The tool {context.message.name}", ToolError)

    async def on_read_resource(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        return await self._within(context, call_next, f"Reading {context.message.uri}", ResourceError)

    async def on_get_prompt(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        return await self._within(context, call_next, f"The prompt {context.message.name}", PromptError)

    async def _within(
        self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any], what: str, error: type[FastMCPError]
    ) -> Any:
        settings = self._desk.resources.settings.tools
        await self._count(settings, error)
        seconds = settings.call_seconds
        try:
            async with asyncio.timeout(seconds) as deadline:
                return await call_next(context)
        except TimeoutError as late:
            if not deadline.expired():
                raise
            raise error(f"{what} was stopped after {seconds:g} s. Ask for less, or try again later.") from late

    async def _count(self, settings: ToolSettings, error: type[FastMCPError]) -> None:
        token = get_access_token()
        if token is None:
            return
        of_run = token.claims["run_id"] is not None
        limit = settings.run_calls_per_minute if of_run else settings.client_calls_per_minute
        subject = f"tools:{'runs' if of_run else 'clients'}:{token.client_id}"
        allowance = await self._desk.resources.limiter.take(subject, limit=limit, window_seconds=WINDOW_SECONDS)
        if allowance.exhausted:
            raise error(
                f"Too many calls: {limit} a minute are allowed. Try again in {max(allowance.reset_seconds, 1)} s."
            )
