"""The toolset of a run, against a real server over HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.resources import Resources
from mcp_client.client import CallLog, ToolDoor, ToolServerAway, toolset_for
from mcp_server.server import build_http_app
from tests.factories.people import Person, register
from tests.factories.runs import serving, tool_server
from tests.mcp_server.calling import token_of


@pytest.fixture
async def equipped(resources: Resources) -> AsyncIterator[Resources]:
    async with tool_server(resources) as found:
        yield found


@pytest.fixture
async def ada(resources: Resources) -> Person:
    return await register(resources)


def calling(*tools: tuple[str, dict[str, Any]]) -> FunctionModel:
    """Makes all these calls at once, then says what it saw offered."""

    async def respond(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        if len(messages) == 1:
            return ModelResponse(parts=[ToolCallPart(name, arguments) for name, arguments in tools])
        return ModelResponse(parts=[TextPart(",".join(sorted(tool.name for tool in info.function_tools)))])

    return FunctionModel(respond)


async def run(url: str, token: str, model: FunctionModel, *, enabled: set[str], log: CallLog | None = None) -> str:
    async with httpx2.AsyncHTTPTransport() as connections:
        door = ToolDoor(url, token, {"X-Request-ID": "run-7"}, connections)
        toolset = toolset_for(door, enabled=enabled, log=log or CallLog(), retries=1)
        return (await Agent(model, toolsets=[toolset]).run("go")).output


async def test_only_enabled_tools_are_offered_though_the_token_allows_more(equipped: Resources, ada: Person) -> None:
    model = calling(("route_to_team", {"category": "bug", "priority": "low"}))
    url = equipped.settings.mcp_endpoint
    assert await run(url, token_of(equipped, ada), model, enabled={"route_to_team", "fly"}) == "route_to_team"


async def test_every_call_is_logged_with_what_came_of_it(equipped: Resources, ada: Person) -> None:
    log = CallLog()
    model = calling(
        ("route_to_team", {"category": "bug", "priority": "low"}),
        ("get_ticket", {"ticket_id": 7}),
    )
    offered = await run(
        equipped.settings.mcp_endpoint,
        token_of(equipped, ada),
        model,
        enabled={"route_to_team", "get_ticket"},
        log=log,
    )
    assert offered == "get_ticket,route_to_team"
    calls = {call.tool: call for call in log.calls}
    assert calls["route_to_team"].result["team"] == "engineering"
    assert not calls["route_to_team"].failed
    assert calls["get_ticket"].failed
    assert "no ticket of this number" in calls["get_ticket"].result
    assert all(call.seconds > 0 for call in log.calls)


async def test_the_request_id_and_the_token_go_with_every_call(resources: Resources, ada: Person) -> None:
    seen: list[tuple[str, bool]] = []

    def watched(app: ASGIApp) -> ASGIApp:
        async def watch(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                headers = dict(scope["headers"])
                seen.append((headers[b"x-request-id"].decode(), headers[b"authorization"].startswith(b"Bearer ey")))
            await app(scope, receive, send)

        return watch

    async with serving(watched(build_http_app(resources))) as address:
        model = calling(("route_to_team", {"category": "bug", "priority": "low"}))
        await run(f"{address}/mcp", token_of(resources, ada), model, enabled={"route_to_team"})
    assert len(seen) >= 2
    assert set(seen) == {("run-7", True)}


@pytest.mark.parametrize("seconds", [-1, 60])
async def test_a_server_that_refuses_or_is_not_there_is_one_error(
    equipped: Resources, ada: Person, seconds: float
) -> None:
    """With an expired token at the right address, and with a good one where nobody listens."""
    url = equipped.settings.mcp_endpoint if seconds < 0 else "http://127.0.0.1:9/mcp"
    with pytest.raises(ToolServerAway):
        await run(url, token_of(equipped, ada, seconds=seconds), calling(), enabled=set())


async def test_what_a_server_offers_is_asked_for_once_and_every_call_shows_its_own_token(
    resources: Resources, ada: Person
) -> None:
    seen: list[tuple[str, str]] = []

    def watched(app: ASGIApp) -> ASGIApp:
        async def watch(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                headers = dict(scope["headers"])
                seen.append((headers[b"mcp-method"].decode(), headers[b"authorization"].decode()))
            await app(scope, receive, send)

        return watch

    tokens = [token_of(resources, ada, seconds=seconds) for seconds in (60, 90, -1)]
    model = calling(("route_to_team", {"category": "bug", "priority": "low"}))
    async with serving(watched(build_http_app(resources))) as address:
        for token in tokens[:2]:
            await run(f"{address}/mcp", token, model, enabled={"route_to_team"})
        with pytest.raises(ToolServerAway):
            await run(f"{address}/mcp", tokens[2], model, enabled={"route_to_team"})
        await run(f"{address}/mcp", tokens[0], model, enabled={"route_to_team", "get_ticket"})
    asked = [("tools/list", 0), ("tools/call", 0), ("tools/call", 1), ("tools/call", 2), ("tools/list", 0)]
    assert seen == [(method, f"Bearer {tokens[which]}") for method, which in [*asked, ("tools/call", 0)]]


async def test_a_server_that_went_away_between_two_runs_is_told_by_the_call(resources: Resources, ada: Person) -> None:
    model = calling(("route_to_team", {"category": "bug", "priority": "low"}))
    log = CallLog()
    async with serving(build_http_app(resources)) as address:
        await run(f"{address}/mcp", token_of(resources, ada), model, enabled={"route_to_team"})
    with pytest.raises(ToolServerAway):
        await run(f"{address}/mcp", token_of(resources, ada), model, enabled={"route_to_team"}, log=log)
    assert [call.failed for call in log.calls] == [True]


async def test_a_restarted_server_is_reached_again_over_kept_connections(resources: Resources, ada: Person) -> None:
    """The connection to the old one is still in the pool when the new one stands at its address."""
    model = calling(("route_to_team", {"category": "bug", "priority": "low"}))
    port = 0
    async with httpx2.AsyncHTTPTransport() as connections:
        for _ in range(2):
            async with serving(build_http_app(resources), port=port) as address:
                port = int(address.rpartition(":")[2])
                door = ToolDoor(f"{address}/mcp", token_of(resources, ada), {"X-Request-ID": "run-7"}, connections)
                toolset = toolset_for(door, enabled={"route_to_team"}, log=CallLog(), retries=1)
                assert (await Agent(model, toolsets=[toolset]).run("go")).output == "route_to_team"


async def test_a_server_that_breaks_off_ends_the_run_not_the_models_patience(resources: Resources, ada: Person) -> None:
    def breaking(app: ASGIApp) -> ASGIApp:
        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            if dict(scope.get("headers", [])).get(b"mcp-method") == b"tools/call":
                raise ConnectionResetError
            await app(scope, receive, send)

        return serve

    log = CallLog()
    async with serving(breaking(build_http_app(resources))) as address:
        model = calling(("route_to_team", {"category": "bug", "priority": "low"}))
        with pytest.raises(ToolServerAway, match="route_to_team"):
            await run(f"{address}/mcp", token_of(resources, ada), model, enabled={"route_to_team"}, log=log)
    assert [call.failed for call in log.calls] == [True]
