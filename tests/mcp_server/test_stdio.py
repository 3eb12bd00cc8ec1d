"""The tools through a pipe, as a desktop client starts them."""

import os
import sys

import pytest
from fastmcp.client import Client
from fastmcp.client.transports import StdioTransport

from app.accounts.scopes import Scope
from app.accounts.service import api_keys
from app.ai_config.catalogue import READING_TOOLS
from app.commands import mcp_stdio
from app.core.resources import Resources
from app.core.settings import Settings
from mcp_client.bridge import Unreachable, serve_stdio
from tests.factories.people import Person
from tests.factories.tickets import ticket

COMMAND = ["-m", "app.commands.mcp_stdio"]


async def test_a_desktop_client_works_with_a_key_and_an_address(equipped: Resources, ada: Person) -> None:
    made = await ticket(equipped, ada.who)
    async with equipped.db.unit_of_work() as db:
        _row, key = await api_keys.make(db, ada.who, name="desk", scopes={Scope.TOOLS_READ}, expires_at=None)
    environment = {"EVIDESK_MCP_URL": equipped.settings.mcp_endpoint, "EVIDESK_TOOLS__API_KEY": key}
    transport = StdioTransport(sys.executable, COMMAND, env={**os.environ, **environment}, keep_alive=False)
    async with Client(transport, init_timeout=60) as client:
        assert {tool.name for tool in await client.list_tools()} == READING_TOOLS
        found = (await client.call_tool("get_ticket", {"ticket_id": made.id})).structured_content
        assert found is not None
        assert found["title"] == "VPN is down"
        refused = await client.call_tool("get_ticket", {"ticket_id": 99}, raise_on_error=False)
        assert refused.is_error
        assert "no ticket of this number" in refused.content[0].text
        (content,) = await client.read_resource(f"ticket://{made.id}")
        assert "VPN is down" in content.text
        prompts = {prompt.name for prompt in await client.list_prompts()}
        assert "draft_reply" in prompts


async def test_what_is_wrong_with_key_or_address_is_said_at_once(
    equipped: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Unreachable, match="refuses the key"):
        await serve_stdio(equipped.settings.mcp_endpoint, "evd_00000000_0")
    with pytest.raises(Unreachable, match="cannot be reached"):
        await serve_stdio("http://127.0.0.1:9/mcp", "evd_00000000_0")
    with pytest.raises(Unreachable, match="HTTP 404"):
        await serve_stdio(equipped.settings.mcp_endpoint + "/wrong", "evd_00000000_0")
    monkeypatch.setattr(mcp_stdio, "get_settings", lambda: Settings(_env_file=None))
    monkeypatch.setattr(mcp_stdio, "configure_logging", lambda *_: None)
    with pytest.raises(SystemExit, match="Set EVIDESK_TOOLS__API_KEY"):
        mcp_stdio.main()
