"""What holds for every tool, resource and prompt, whichever there are: one walk over all that is registered."""

from dataclasses import replace
from typing import Any

import pytest
from fastmcp.exceptions import ToolError

from app.ai_config.catalogue import ALL_TOOLS, READING_TOOLS
from app.core.ratelimit import RateLimiter
from app.core.resources import Resources
from app.core.settings import ToolSettings
from mcp_server.auth import NEEDS
from mcp_server.document import DOCUMENT, current
from tests.factories.people import Person
from tests.factories.runs import tool_server
from tests.mcp_server.calling import client, token_of


def typed(schema: dict[str, Any]) -> bool:
    return bool({"type", "$ref", "anyOf", "oneOf", "enum", "allOf", "const"} & set(schema))


async def test_every_tool_is_typed_described_and_says_what_it_does(equipped: Resources, ada: Person) -> None:
    async with client(equipped, token_of(equipped, ada)) as connected:
        tools = await connected.list_tools()
    assert {tool.name for tool in tools} == ALL_TOOLS
    for tool in tools:
        assert len((tool.description or "").split()) >= 6, tool.name
        hints = tool.annotations
        assert hints is not None, tool.name
        told = [hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint, hints.open_world_hint]
        assert None not in told, tool.name
        assert hints.read_only_hint is (tool.name in READING_TOOLS), tool.name
        assert not (hints.read_only_hint and hints.destructive_hint), tool.name
        assert tool.input_schema["type"] == "object"
        assert tool.input_schema["additionalProperties"] is False, tool.name
        for name, argument in tool.input_schema["properties"].items():
            assert typed(argument), (tool.name, name)
        assert tool.output_schema is not None, tool.name
        assert tool.output_schema["properties"], tool.name


async def test_every_tool_is_closed_to_a_token_that_does_not_name_it(equipped: Resources, ada: Person) -> None:
    async with client(equipped, token_of(equipped, ada, tools=[])) as connected:
        for tool in sorted(ALL_TOOLS):
            with pytest.raises(ToolError, match=f"does not allow the tool {tool}"):
                await connected.call_tool(tool, {})


async def test_every_tool_is_counted_and_limited(equipped: Resources, ada: Person, ben: Person) -> None:
    """With a call a minute, whichever tool comes second is refused with how long to wait."""
    tools = sorted(ALL_TOOLS)
    strict = equipped.settings.model_copy(update={"tools": ToolSettings(client_calls_per_minute=1)})
    counted = RateLimiter(equipped.redis)
    async with tool_server(replace(equipped, settings=strict, limiter=counted)) as limited:
        async with client(limited, token_of(limited, ada)) as connected:
            with pytest.raises(ToolError, match=r"was not called|must|Give"):
                await connected.call_tool("get_ticket", {})
            for tool in tools:
                with pytest.raises(ToolError, match=r"Too many calls: 1 a minute .* Try again in \d+ s"):
                    await connected.call_tool(tool, {})
        async with client(limited, token_of(limited, ben)) as another:
            assert (await another.call_tool("route_to_team", {"category": "bug", "priority": "low"})).data


async def test_every_resource_and_prompt_is_open_to_the_tool_that_tells_the_same(
    equipped: Resources, ada: Person
) -> None:
    async with client(equipped, token_of(equipped, ada)) as connected:
        templates = await connected.list_resource_templates()
        prompts = await connected.list_prompts()
    kinds = {template.uri_template.partition(":")[0] for template in templates}
    assert kinds | {prompt.name for prompt in prompts} == set(NEEDS)
    assert set(NEEDS.values()) <= ALL_TOOLS
    for described in (*templates, *prompts):
        assert described.description
    async with client(equipped, token_of(equipped, ada, tools=["search_tickets"])) as connected:
        assert await connected.list_resource_templates() == []
        assert await connected.list_prompts() == []


async def test_the_document_lists_the_tools_as_they_are() -> None:
    """`make openapi` writes it."""
    assert DOCUMENT.read_text(encoding="utf-8") == await current()
