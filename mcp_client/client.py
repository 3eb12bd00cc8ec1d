"""The toolset of one run: the person's own token, and only the tools that were enabled.

A run asks no more of the server than the calls it makes: connections are kept between runs, and so, for a minute, is
what the server offers. Each call still carries the run's token, by which the server decides anew.
"""

import time
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Self, Unpack

import httpx2
from fastmcp.client import Client
from fastmcp.client.transports import StreamableHttpTransport
from fastmcp.client.transports.base import SessionKwargs, TransportOptions
from mcp import ClientSession, MCPError
from mcp.client.caching import CacheConfig, InMemoryResponseCacheStore
from mcp_types import INVALID_PARAMS, CallToolResult, ListToolsResult, PaginatedRequestParams
from mcp_types.version import LATEST_MODERN_VERSION
from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode
from pydantic_ai import RunContext
from pydantic_ai.exceptions import ModelRetry
from pydantic_ai.mcp import CallToolFunc, MCPToolset, ToolResult
from pydantic_ai.toolsets import AbstractToolset, ToolsetTool, WrapperToolset

CONNECT_SECONDS = 10.0
CALL_SECONDS = 60.0
OFFER_SECONDS = 60
"""How long a server's list of tools is taken to stand; a new release of it may offer others."""

# A list depends on the server and on the token's tools alone, never on whose token it is.
_offers = InMemoryResponseCacheStore()

_tracer = trace.get_tracer("evidesk.mcp_client")


class ToolServerAway(Exception):
    """The tool server could not be reached, broke off, or refused the token."""


@dataclass(frozen=True, slots=True)
class ToolDoor:
    """Where the tools are, and who is let in. `headers` carry the trace and the request id; `connections` are kept."""

    url: str
    token: str
    headers: Mapping[str, str]
    connections: httpx2.AsyncBaseTransport


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
            with _reaching_the_server():
                result = await call(name, arguments)
        except ToolServerAway as away:
            self._add(name, arguments, str(away), failed=True, started=started)
            raise
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

    async def __aexit__(self, *args: Any) -> bool | None:
        # A connection that broke under the run is told once more here.
        with _reaching_the_server():
            return await self.wrapped.__aexit__(*args)

    async def get_tools(self, ctx: RunContext[Any]) -> dict[str, ToolsetTool[Any]]:
        with _reaching_the_server():
            tools = await self.wrapped.get_tools(ctx)
        return {name: tool for name, tool in tools.items() if name in self.names}


class _Kept(httpx2.AsyncBaseTransport):
    """What ends with a run is its client, not the connections behind it."""

    def __init__(self, connections: httpx2.AsyncBaseTransport) -> None:
        self._connections = connections

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return await self._connections.handle_async_request(request)


class _Session(ClientSession):
    async def list_tools(self, *, params: PaginatedRequestParams | None = None) -> ListToolsResult:
        # The server says nothing of how long its lists stand, which counts as not at all.
        found = await super().list_tools(params=params)
        return found.model_copy(update={"ttl_ms": OFFER_SECONDS * 1000})

    async def validate_tool_result(self, name: str, result: CallToolResult) -> None:
        """The server's own types made the result. Compiling their schemas again takes longer than most calls."""


class _Transport(StreamableHttpTransport):
    def __init__(self, door: ToolDoor) -> None:
        self._kept = _Kept(door.connections)
        super().__init__(
            door.url, headers=dict(door.headers), auth=door.token, httpx_client_factory=self._client_of_the_run
        )

    def _client_of_the_run(
        self,
        headers: dict[str, str] | None = None,
        timeout: httpx2.Timeout | None = None,
        auth: httpx2.Auth | None = None,
        **options: Any,
    ) -> httpx2.AsyncClient:
        seconds = timeout or httpx2.Timeout(CALL_SECONDS)
        return httpx2.AsyncClient(transport=self._kept, headers=headers, timeout=seconds, auth=auth, **options)

    @asynccontextmanager
    async def connect_session(
        self, *, transport_options: TransportOptions | None = None, **session_kwargs: Unpack[SessionKwargs]
    ) -> AsyncIterator[ClientSession]:
        options = replace(transport_options or TransportOptions(), session_class=_Session)
        async with super().connect_session(transport_options=options, **session_kwargs) as session:
            yield session


def toolset_for(door: ToolDoor, *, enabled: Collection[str], log: CallLog, retries: int = 2) -> AbstractToolset[Any]:
    """The enabled tools of the server behind the door; every call is written into `log`.

    The token is to open the enabled tools and no others. A tool's refusal goes back to the model as a chance to correct
    itself, `retries` times; a server that is away raises ToolServerAway out of the run.
    """
    offers = CacheConfig(store=_offers, partition=",".join(sorted(enabled)) or "none", target_id=door.url)
    # The server is of the same release: which protocol it speaks need not be asked.
    client = Client(
        _Transport(door), init_timeout=CONNECT_SECONDS, timeout=CALL_SECONDS, mode=LATEST_MODERN_VERSION, cache=offers
    )
    server: MCPToolset[Any] = MCPToolset(client, id="evidesk", max_retries=retries, process_tool_call=log)
    return EnabledTools(server, frozenset(enabled))
