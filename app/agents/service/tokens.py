"""A person's own way to the tools, for an MCP client of theirs."""

from collections.abc import Collection
from datetime import timedelta

from app.agents.errors import ToolTokenRefused, ToolUnknown
from app.agents.schemas import ToolTokenOut
from app.ai_config.catalogue import ALL_TOOLS
from app.core.auth import Principal
from app.core.resources import Resources


def tool_token(resources: Resources, who: Principal, *, tools: Collection[str] | None) -> ToolTokenOut:
    """For the named tools, or all. It belongs to no run, and each tool does what the person may. Raises ToolUnknown,
    and ToolTokenRefused for an API key, whose scopes say less than a tool can do."""
    if who.scopes is not None:
        raise ToolTokenRefused
    wanted = ALL_TOOLS if tools is None else frozenset(tools)
    if unknown := sorted(wanted - ALL_TOOLS):
        raise ToolUnknown(f"There is no tool called {unknown[0][:100]!r}; there are {', '.join(sorted(ALL_TOOLS))}.")
    lifetime = timedelta(seconds=resources.settings.auth.tool_token_seconds)
    return ToolTokenOut(
        access_token=resources.signer.mint(who.user_id, audience="mcp", lifetime=lifetime, scopes=wanted),
        expires_in=int(lifetime.total_seconds()),
        mcp_url=resources.settings.mcp_endpoint,
        tools=sorted(wanted),
    )
