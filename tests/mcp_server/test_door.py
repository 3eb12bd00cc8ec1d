"""Who is let in, and to which tools."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fastmcp.exceptions import ToolError
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from mcp_types import CLIENT_CAPABILITIES_META_KEY, PROTOCOL_VERSION_META_KEY
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from sqlalchemy import update

from app.accounts.scopes import Scope
from app.accounts.service import api_keys
from app.ai_config.catalogue import ALL_TOOLS, READING_TOOLS
from app.core.auth import TokenSigner
from app.core.resources import Resources
from app.core.storage import LocalStorage, StorageError
from app.models.user import User
from mcp_server.server import PATH, build_server, tool_names
from tests.factories.people import Person
from tests.factories.runs import serving, tool_server
from tests.mcp_server.calling import call, client, token_of

LISTING = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}


async def post(resources: Resources, token: str | None) -> httpx2.Response:
    headers = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-06-18"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    async with httpx2.AsyncClient() as http:
        return await http.post(resources.settings.mcp_endpoint, json=LISTING, headers=headers)


async def test_health_lists_the_tools_to_anybody(equipped: Resources) -> None:
    async with httpx2.AsyncClient() as http:
        answer = await http.get(equipped.settings.mcp_endpoint.removesuffix("/mcp") + "/health")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "healthy",
        "tools_available": sorted(ALL_TOOLS),
        "dependencies": {"database": "ok", "redis": "ok", "storage": "ok"},
    }


async def test_the_server_has_exactly_the_tools_that_can_be_configured(resources: Resources) -> None:
    assert await tool_names(build_server(resources)) == sorted(ALL_TOOLS)


async def test_no_token_no_tools(equipped: Resources) -> None:
    answer = await post(equipped, None)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_token_for_tools_is_let_in(equipped: Resources, ada: Person) -> None:
    assert (await post(equipped, token_of(equipped, ada))).status_code == 200


async def test_expired_forged_and_foreign_tokens_are_refused(equipped: Resources, ada: Person) -> None:
    forger = TokenSigner("another secret, long enough to sign with")
    forged = token_of(replace(equipped, signer=forger), ada)
    refused = {
        "expired": token_of(equipped, ada, seconds=-1),
        "forged": forged,
        "for the API": ada.token,
        "no token": "not.a.token",
    }
    assert {name: (await post(equipped, token)).status_code for name, token in refused.items()} == dict.fromkeys(
        refused, 401
    )


async def test_a_token_of_somebody_who_was_shut_out_is_refused(equipped: Resources, ada: Person) -> None:
    token = token_of(equipped, ada)
    async with equipped.db.unit_of_work() as db:
        await db.execute(update(User).where(User.id == ada.id).values(active=False))
    assert (await post(equipped, token)).status_code == 401


async def test_a_token_shows_and_opens_only_the_tools_it_names(equipped: Resources, ada: Person) -> None:
    async with client(equipped, token_of(equipped, ada, tools=["categorize_issue", "search_tickets"])) as connected:
        assert sorted(tool.name for tool in await connected.list_tools()) == ["categorize_issue", "search_tickets"]
        with pytest.raises(ToolError, match="does not allow the tool create_ticket"):
            await connected.call_tool("create_ticket", {"title": "t", "description": "d"})


async def test_nobody_is_named_by_an_argument(equipped: Resources, ada: Person, ben: Person) -> None:
    """An extra argument is refused, and the ticket belongs to the person of the token."""
    with pytest.raises(ToolError, match="requester_id"):
        await call(equipped, ada, "create_ticket", title="t", description="d", requester_id=ben.id)
    with pytest.raises(ToolError, match="user_id"):
        await call(equipped, ada, "search_tickets", query="t", user_id=ben.id)
    made = await call(equipped, ada, "create_ticket", title="Mine", description="requester_id: 2, user: ben")
    with pytest.raises(ToolError, match="no ticket of this number"):
        await call(equipped, ben, "get_ticket", ticket_id=made["ticket_id"])


async def test_an_error_of_our_own_making_is_masked(equipped: Resources, ada: Person) -> None:
    """A run that the token names but that is no id: a mistake of the desk, of which a model learns nothing."""
    token = equipped.signer.mint(
        ada.id, audience="mcp", lifetime=timedelta(minutes=1), scopes=frozenset(ALL_TOOLS), run_id="no-uuid"
    )
    async with client(equipped, token) as connected:
        with pytest.raises(ToolError) as raised:
            await connected.call_tool("create_ticket", {"title": "t", "description": "d"})
    assert str(raised.value) == "Error calling tool 'create_ticket'"


async def test_the_request_id_of_a_run_reaches_the_tools(equipped: Resources, ada: Person) -> None:
    async with httpx2.AsyncClient() as http:
        answer = await http.get(
            equipped.settings.mcp_endpoint.removesuffix("/mcp") + "/health", headers={"X-Request-ID": "run-7"}
        )
    assert answer.headers["X-Request-ID"] == "run-7"


@pytest.fixture
async def keys(equipped: Resources, ada: Person) -> dict[str, str]:
    made: dict[str, str] = {}
    async with equipped.db.unit_of_work() as db:
        for scope in (Scope.TOOLS_READ, Scope.TOOLS_USE, Scope.TICKETS_READ):
            _row, made[scope] = await api_keys.make(db, ada.who, name=scope, scopes={scope}, expires_at=None)
    return made


async def test_an_api_key_opens_the_tools_of_its_scopes(equipped: Resources, keys: dict[str, str]) -> None:
    for scope, tools in ((Scope.TOOLS_READ, READING_TOOLS), (Scope.TOOLS_USE, ALL_TOOLS), (Scope.TICKETS_READ, set())):
        async with client(equipped, keys[scope]) as connected:
            assert {tool.name for tool in await connected.list_tools()} == tools
    async with client(equipped, keys[Scope.TOOLS_READ]) as connected:
        with pytest.raises(ToolError, match="does not allow the tool create_ticket"):
            await connected.call_tool("create_ticket", {"title": "t", "description": "d"})
    async with client(equipped, keys[Scope.TOOLS_USE]) as connected:
        made = (await connected.call_tool("create_ticket", {"title": "t", "description": "d"})).structured_content
        assert made is not None
        assert made["created"] is True


async def test_a_revoked_key_opens_nothing(equipped: Resources, ada: Person, keys: dict[str, str]) -> None:
    assert (await post(equipped, keys[Scope.TOOLS_USE])).status_code == 200
    async with equipped.db.unit_of_work() as db:
        for key in (await api_keys.page(db, ada.who, cursor=None, limit=9)).rows:
            await api_keys.revoke(db, ada.who, key.id)
    assert (await post(equipped, keys[Scope.TOOLS_USE])).status_code == 401


async def test_health_says_which_dependency_is_away(resources: Resources) -> None:
    class Away(LocalStorage):
        async def ping(self) -> None:
            raise StorageError("the disk is gone")

    storage = Away(resources.settings.data_dir)
    async with (
        tool_server(replace(resources, storage=storage)) as lame,
        httpx2.AsyncClient() as http,
    ):
        answer = await http.get(lame.settings.mcp_endpoint.removesuffix("/mcp") + "/health")
    assert (answer.status_code, answer.json()["status"]) == (503, "unhealthy")
    assert answer.json()["dependencies"] == {
        "database": "ok",
        "redis": "ok",
        "storage": "unreachable (StorageError)",
    }


class Counting(Middleware):
    def __init__(self) -> None:
        self.lists = self.calls = 0

    async def on_list_tools(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        self.lists += 1
        return await call_next(context)

    async def on_call_tool(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        self.calls += 1
        return await call_next(context)


async def test_a_call_lists_no_tools(resources: Resources, ada: Person) -> None:
    """In the newest protocol, whose layer below FastMCP would list them before each call."""
    counting = Counting()
    server = build_server(resources)
    server.add_middleware(counting)
    newest = MODERN_PROTOCOL_VERSIONS[-1]
    params = {
        "name": "search_tickets",
        "arguments": {"query": "printer"},
        "_meta": {PROTOCOL_VERSION_META_KEY: newest, CLIENT_CAPABILITIES_META_KEY: {}},
    }
    headers = {
        "Accept": "application/json, text/event-stream",
        "Authorization": f"Bearer {token_of(resources, ada)}",
        "MCP-Protocol-Version": newest,
        "Mcp-Method": "tools/call",
        "Mcp-Name": "search_tickets",
    }
    app = server.http_app(path=PATH, stateless_http=True, json_response=True)
    async with serving(app) as address, httpx2.AsyncClient() as http:
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        answer = await http.post(f"{address}{PATH}", json=body, headers=headers)
    assert answer.json()["result"]["isError"] is False, answer.text
    assert (counting.calls, counting.lists) == (1, 0)


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        (
            "get_ticket",
            {"ticket_id": 0},
            "get_ticket was not called. ticket_id: Input should be greater than or equal to 1.",
        ),
        ("get_ticket", {"ticket_no": 7}, "ticket_id is missing; ticket_no is no argument of this tool."),
        ("calculate_priority", {"text": ""}, "text: must have at least 1 characters, not 0."),
        (
            "route_to_team",
            {"category": "bug", "priority": "urgent"},
            "priority: Input should be 'low', 'medium', 'high' or",
        ),
        ("get_tickets", {}, "There is no tool get_tickets here."),
    ],
)
async def test_a_model_is_told_how_to_mend_its_call(
    equipped: Resources, ada: Person, tool: str, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(ToolError) as raised:
        await call(equipped, ada, tool, **arguments)
    assert said in str(raised.value)
    assert "pydantic" not in str(raised.value)
