"""Who is calling: a person, by the short-lived token of an agent run or of their own client, or by an API key.

A token's scopes are the names of the tools it may call; a key's scopes stand for sets of tools. What a tool does with
it is still limited to what the person may do: the services see to that.
"""

from collections.abc import Sequence
from typing import Any

import mcp_types
from fastmcp.exceptions import AuthorizationError, ToolError
from fastmcp.prompts.base import Prompt, PromptResult
from fastmcp.resources.base import ResourceResult
from fastmcp.resources.template import ResourceTemplate
from fastmcp.server.auth import AccessToken, TokenVerifier
from fastmcp.server.dependencies import get_access_token
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools.base import Tool, ToolResult
from opentelemetry.trace import SpanKind

from app.accounts.authentication import authenticate
from app.accounts.principals import is_key, principal_of_key
from app.accounts.scopes import Scope
from app.ai_config.catalogue import ALL_TOOLS, READING_TOOLS
from app.core.auth import Principal, Role
from app.core.errors import Unauthenticated
from app.core.telemetry import span
from mcp_server.desk import Desk

KEY_OPENS = {Scope.TOOLS_READ: READING_TOOLS, Scope.TOOLS_USE: ALL_TOOLS}
NEEDS = {
    "ticket": "get_ticket",
    "file": "analyze_file",
    "summarise_ticket": "get_ticket",
    "draft_reply": "get_ticket",
    "triage_report": "categorize_issue",
}
"""A resource (by the scheme of its address) or prompt is open to whoever may use the tool that tells the same."""


class PersonTokenVerifier(TokenVerifier):
    """Turns a bearer token into what the tools need to know of its person; anything wrong with it is a 401."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk

    async def verify_token(self, token: str) -> AccessToken | None:
        try:
            if is_key(token):
                who = await principal_of_key(self._desk.resources, token)
                opened = {tool for scope, tools in KEY_OPENS.items() if who.allows(scope) for tool in tools}
                return _access(token, who, opened)
            who, claims = await authenticate(self._desk.resources, token, "mcp")
        except Unauthenticated:
            return None
        return _access(token, who, claims.scopes or (), run_id=claims.run_id, expires_at=claims.expires_at)


def _access(
    token: str, who: Principal, tools: Any, *, run_id: str | None = None, expires_at: int | None = None
) -> AccessToken:
    named = sorted(tools)
    return AccessToken(
        token=token,
        client_id=str(who.user_id),
        scopes=named,
        expires_at=expires_at,
        claims={
            "user_id": who.user_id,
            "username": who.username,
            "role": who.role.value,
            "teams": sorted(who.teams),
            "tools": named,
            "run_id": run_id,
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
    return Principal(claims["user_id"], claims["username"], Role(claims["role"]), teams=frozenset(claims["teams"]))


def run_id() -> str | None:
    """The agent run that the token was made for."""
    found = _token().claims["run_id"]
    return None if found is None else str(found)


def may_use(tool: str) -> bool:
    token = get_access_token()
    return token is not None and tool in token.claims["tools"]


def _not_open(what: str, name: str, *, known: bool) -> str:
    return f"This token does not allow the {what} {name[:50]}." if known else f"There is no {what} {name[:50]} here."


def _open(named: str) -> bool:
    return may_use(NEEDS[named.partition(":")[0]])


class ToolScopes(Middleware):
    """A token shows and opens only the tools it names, and the resources and prompts that tell no more than these."""

    async def on_list_tools(
        self,
        context: MiddlewareContext[mcp_types.ListToolsRequest],
        call_next: CallNext[mcp_types.ListToolsRequest, Sequence[Tool]],
    ) -> Sequence[Tool]:
        return [tool for tool in await call_next(context) if may_use(tool.name)]

    async def on_list_resource_templates(
        self,
        context: MiddlewareContext[mcp_types.ListResourceTemplatesRequest],
        call_next: CallNext[mcp_types.ListResourceTemplatesRequest, Sequence[ResourceTemplate]],
    ) -> Sequence[ResourceTemplate]:
        return [template for template in await call_next(context) if _open(template.uri_template)]

    async def on_list_prompts(
        self,
        context: MiddlewareContext[mcp_types.ListPromptsRequest],
        call_next: CallNext[mcp_types.ListPromptsRequest, Sequence[Prompt]],
    ) -> Sequence[Prompt]:
        return [prompt for prompt in await call_next(context) if _open(prompt.name)]

    async def on_call_tool(
        self,
        context: MiddlewareContext[mcp_types.CallToolRequestParams],
        call_next: CallNext[mcp_types.CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        if not may_use(context.message.name):
            raise ToolError(_not_open("tool", context.message.name, known=context.message.name in ALL_TOOLS))
        with span(f"mcp.tool {context.message.name}", kind=SpanKind.SERVER, traceparent=_caused_by(context)):
            return await call_next(context)

    async def on_read_resource(
        self,
        context: MiddlewareContext[mcp_types.ReadResourceRequestParams],
        call_next: CallNext[mcp_types.ReadResourceRequestParams, ResourceResult],
    ) -> ResourceResult:
        kind = str(context.message.uri).partition(":")[0]
        if not may_use(NEEDS.get(kind, "")):
            raise AuthorizationError(f"This token does not allow reading {kind[:20]}:// addresses.")
        return await call_next(context)

    async def on_get_prompt(
        self,
        context: MiddlewareContext[mcp_types.GetPromptRequestParams],
        call_next: CallNext[mcp_types.GetPromptRequestParams, PromptResult],
    ) -> PromptResult:
        if not may_use(NEEDS.get(context.message.name, "")):
            raise AuthorizationError(_not_open("prompt", context.message.name, known=context.message.name in NEEDS))
        return await call_next(context)


def _caused_by(context: MiddlewareContext[mcp_types.CallToolRequestParams]) -> str | None:
    """The caller's span. The HTTP request's own header is the connection's, the same for all its calls."""
    called = context.fastmcp_context and context.fastmcp_context.request_context
    given = (called.meta or {}).get("traceparent") if called else None
    return given if isinstance(given, str) else None
