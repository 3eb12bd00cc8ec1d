import httpx2
import pytest
from fastmcp.client import Client
from fastmcp.client.transports import StreamableHttpTransport
from fastmcp.exceptions import ToolError

from app.ai_config.catalogue import ALL_TOOLS
from app.core.resources import Resources
from tests.factories.people import Person

PATH = "/api/v1/agent/tool-token"


async def test_a_persons_own_client_uses_the_tools_as_that_person(
    staffed: Resources, api: httpx2.AsyncClient, ada: Person
) -> None:
    answer = await api.post(PATH, json={}, headers=ada.headers)
    assert answer.status_code == 201
    found = answer.json()
    assert (found["token_type"], found["expires_in"], found["tools"]) == ("bearer", 300, sorted(ALL_TOOLS))
    async with Client(StreamableHttpTransport(found["mcp_url"], auth=found["access_token"])) as client:
        made = await client.call_tool("create_ticket", {"title": "t", "description": "d"})
    assert made.structured_content is not None
    ticket = (await api.get(f"/api/v1/tickets/{made.structured_content['ticket_id']}", headers=ada.headers)).json()
    assert ticket["requester"]["username"] == ada.username


async def test_a_token_can_be_made_for_a_few_tools(staffed: Resources, api: httpx2.AsyncClient, ada: Person) -> None:
    found = (await api.post(PATH, json={"tools": ["get_ticket"]}, headers=ada.headers)).json()
    async with Client(StreamableHttpTransport(found["mcp_url"], auth=found["access_token"])) as client:
        assert [tool.name for tool in await client.list_tools()] == ["get_ticket"]
        with pytest.raises(ToolError, match="does not allow"):
            await client.call_tool("create_ticket", {"title": "t", "description": "d"})


async def test_unknown_tools_and_api_keys_get_no_token(
    equipped: Resources, api: httpx2.AsyncClient, ada: Person
) -> None:
    answer = await api.post(PATH, json={"tools": ["fly"]}, headers=ada.headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "tool_unknown")
    made = await api.post(
        "/api/v1/users/me/api-keys", json={"name": "extension", "scopes": ["agent:run"]}, headers=ada.headers
    )
    key = {"Authorization": f"Bearer {made.json()['key']}"}
    answer = await api.post(PATH, json={}, headers=key)
    assert (answer.status_code, answer.json()["code"]) == (403, "tool_token_refused")
    answer = await api.post(
        "/api/v1/agent/create-ticket", json={"user_input": "x"}, headers={**key, "Prefer": "respond-async"}
    )
    assert answer.status_code == 202
