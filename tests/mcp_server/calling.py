"""A person's own MCP client."""

import uuid
from collections.abc import Collection
from datetime import timedelta
from typing import Any

from fastmcp.client import Client
from fastmcp.client.transports import StreamableHttpTransport

from app.ai_config.catalogue import ALL_TOOLS
from app.core.resources import Resources
from tests.factories.people import Person


def token_of(
    resources: Resources,
    person: Person,
    *,
    tools: Collection[str] = ALL_TOOLS,
    run_id: uuid.UUID | None = None,
    seconds: float = 60,
) -> str:
    return resources.signer.mint(
        person.id,
        audience="mcp",
        lifetime=timedelta(seconds=seconds),
        scopes=frozenset(tools),
        run_id=None if run_id is None else str(run_id),
    )


def client(resources: Resources, token: str) -> Client[Any]:
    return Client(StreamableHttpTransport(resources.settings.mcp_endpoint, auth=token))


async def call(
    resources: Resources, person: Person, tool: str, /, run_id: uuid.UUID | None = None, **arguments: Any
) -> Any:
    """What the tool answers; raises ToolError with the words that a model would read."""
    async with client(resources, token_of(resources, person, run_id=run_id)) as connected:
        answer = (await connected.call_tool(tool, arguments)).structured_content
    assert answer is not None
    return answer["result"] if set(answer) == {"result"} else answer
