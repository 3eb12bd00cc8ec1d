"""Who is calling: the short-lived token of a person, made for tools (audience "mcp") and perhaps for one run.

Its scopes are the names of the tools it may call. What a tool does with it is still limited to what the person may do:
the services see to that.
"""

from collections.abc import Sequence

import mcp_types
from fastmcp.exceptions import ToolError
from fastmcp.server.auth import AccessToken, TokenVerifier
from fastmcp.server.dependencies import get_access_token
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools.base import Tool, ToolResult
from opentelemetry.trace import SpanKind

from app.accounts.authentication import authenticate
from app.core.auth import Principal, Role
from app.core.errors import Unauthenticated
from app.core.telemetry import span
from mcp_server.desk import Desk


class PersonTokenVerifier(TokenVerifier):
    """Turns a bearer token into what the tools need to know of its person; anything wrong with it is a 401."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk

    async def verify_token(self, token: str) -> AccessToken | None:
        resources = self._desk.resources
        try:
            who, claims = await authenticate(resources, token, "mcp")
        except Unauthenticated:
            return None
        tools = sorted(claims.scopes or ())
        return AccessToken(
            token=token,
            client_id=str(who.user_id),
            scopes=tools,
            expires_at=claims.expires_at,
            claims={
                "user_id": who.user_id,
                "username": who.username,
                "role": who.role.value,
                "tools": tools,
                "run_id": claims.run_id,
            },
        )


def _token() -> AccessToken:
    token = get_access_token()
    if token is None:
        raise ToolError("This tool needs a person's token.")
    return token


def caller() -> Principal:
    """The person behind the present call. The scopes of such a token are tools, and are checked as tools only."""
    claims = _token().claims
    return Principal(claims["user_id"], claims["username"], Role(claims["role"]))


def run_id() -> str | None:
    """The agent run that the token was made for."""
    found = _token().claims["run_id"]
    return None if found is None else str(found)


def may_use(tool: str) -> bool:
    token = get_access_token()
    return token is not None and tool in token.claims["tools"]


class ToolScopes(Middleware):
    """A token shows and opens only the tools it names."""

    async def on_list_tools(
        self,
        context: MiddlewareContext[mcp_types.ListToolsRequest],
        call_next: CallNext[mcp_types.ListToolsRequest, Sequence[Tool]],
    ) -> Sequence[Tool]:
        return [tool for tool in await call_next(context) if may_use(tool.name)]

    async def on_call_tool(
        self,
        context: MiddlewareContext[mcp_types.CallToolRequestParams],
        call_next: CallNext[mcp_types.CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        if not may_use(context.message.name):
            raise ToolError(f"This token does not allow the tool {context.message.name}.")
        with span(f"mcp.tool {context.message.name}", kind=SpanKind.SERVER, traceparent=_caused_by(context)):
            return await call_next(context)


def _caused_by(context: MiddlewareContext[mcp_types.CallToolRequestParams]) -> str | None:
    """The caller's span. The HTTP request's own header is the connection's, the same for all its calls."""
    called = context.fastmcp_context and context.fastmcp_context.request_context
    given = (called.meta or {}).get("traceparent") if called else None
    return given if isinstance(given, str) else None
