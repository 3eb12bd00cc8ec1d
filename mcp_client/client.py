"""The toolset of one run: its own connection, the person's own token, and only the tools that were enabled."""

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import httpx2
from fastmcp.client import Client
from fastmcp.client.transports import StreamableHttpTransport
from mcp import MCPError
from mcp_types import INVALID_PARAMS
from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode
from pydantic_ai import RunContext
from pydantic_ai.exceptions import ModelRetry
from pydantic_ai.mcp import CallToolFunc, MCPToolset, ToolResult
from pydantic_ai.toolsets import AbstractToolset, ToolsetTool, WrapperToolset

CONNECT_SECONDS = 10.0
CALL_SECONDS = 60.0

_tracer = trace.get_tracer("evidesk.mcp_client")


class ToolServerAway(Exception):
    """The tool server could not be reached, broke off, or refused the token."""


@dataclass(slots=True)
class ToolCall:
    """One call as it was made and answered; `failed` when the server refused it, `result` then being its words."""

    tool: str
    arguments: dict[str, Any]
    result: Any
    failed: bool
    seconds: float


@dataclass(slots=True)
class CallLog:
    """Every call of a run, in the order in which they ended."""

    calls: list[ToolCall] = field(default_factory=list)

    async def __call__(
        self, _context: RunContext[Any], call: CallToolFunc, name: str, arguments: dict[str, Any]
    ) -> ToolResult:
        with _calling(name):
            return await self._timed(call, name, arguments)

    async def _timed(self, call: CallToolFunc, name: str, arguments: dict[str, Any]) -> ToolResult:
        started = time.perf_counter()
        try:
            result = await call(name, arguments)
        except ModelRetry as refusal:
            self._add(name, arguments, refusal.message, failed=True, started=started)
            error = refusal.__cause__
            if isinstance(error, MCPError) and error.error.code != INVALID_PARAMS:
                # Not the tool's answer but the connection's: the model can do nothing about it.
                raise ToolServerAway(f"{name}: {error.error.message}") from refusal
            raise
        self._add(name, arguments, result, failed=False, started=started)
        return result

    def _add(self, name: str, arguments: dict[str, Any], result: Any, *, failed: bool, started: float) -> None:
        self.calls.append(ToolCall(name, arguments, result, failed, time.perf_counter() - started))


@contextmanager
def _calling(tool: str) -> Iterator[None]:
    """A span that the call's `_meta` carries to the server. A failure is told by its kind: messages quote content."""
    with _tracer.start_as_current_span(
        f"mcp.call {tool}", kind=SpanKind.CLIENT, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield
        except BaseException as error:
            current.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


@contextmanager
def _reaching_the_server() -> Iterator[None]:
    try:
        yield
    except (MCPError, httpx2.HTTPError, OSError, RuntimeError) as error:
        # RuntimeError is how FastMCP says that it could not connect.
        raise ToolServerAway(type(error).__name__) from error


@dataclass
class EnabledTools(WrapperToolset[Any]):
    """Some tools of a server, whose absence is told by one error."""

    names: frozenset[str]

    async def __aenter__(self) -> Self:
        with _reaching_the_server():
            await self.wrapped.__aenter__()
        return self

    async def get_tools(self, ctx: RunContext[Any]) -> dict[str, ToolsetTool[Any]]:
        with _reaching_the_server():
            tools = await self.wrapped.get_tools(ctx)
        return {name: tool for name, tool in tools.items() if name in self.names}


def toolset_for(
    url: str,
    *,
    token: str,
    enabled: Collection[str],
    headers: Mapping[str, str],
    log: CallLog,
    retries: int = 2,
) -> AbstractToolset[Any]:
    """The enabled tools of the server at `url`, called with `token`; every call is written into `log`.

    `headers` carry the trace and the request id. A tool's refusal goes back to the model as a chance to correct
    itself, `retries` times; a server that is away raises ToolServerAway out of the run.
    """
    transport = StreamableHttpTransport(url, headers=dict(headers), auth=token)
    client = Client(transport, init_timeout=CONNECT_SECONDS, timeout=CALL_SECONDS)
    server: MCPToolset[Any] = MCPToolset(client, id="evidesk", max_retries=retries, process_tool_call=log)
    return EnabledTools(server, frozenset(enabled))
