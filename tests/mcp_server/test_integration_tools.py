"""Tickets of the desk passed on to other systems by tools."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from fastmcp.exceptions import ToolError

from app.core.resources import Resources
from app.integrations import service
from app.integrations.schemas import GitHubIn, JiraIn
from app.integrations.tasks import export_ticket
from tests.factories.people import Person
from tests.factories.runs import TASKS, serving, tool_server, working
from tests.factories.tickets import ticket
from tests.integrations.conftest import HERE
from tests.integrations.peers import GitHubPeer, JiraPeer, Peer
from tests.mcp_server.calling import call


@pytest.fixture
async def github() -> AsyncIterator[tuple[Peer, str]]:
    peer = GitHubPeer()
    async with serving(peer.app()) as address:
        yield peer, address


@pytest.fixture
async def near(
    resources: Resources, github: tuple[Peer, str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Resources]:
    """One connection to GitHub, and somebody who works."""
    monkeypatch.setitem(TASKS, export_ticket.name, export_ticket)
    integrations = HERE.model_copy(update={"wait_seconds": 20})
    here = replace(resources, settings=resources.settings.model_copy(update={"integrations": integrations}))
    given = GitHubIn.model_validate(
        {"provider": "github", "name": "Code", "config": {**GitHubPeer.config, "base_url": github[1]}}
        | {"secret": GitHubPeer.secret}
    )
    async with here.db.unit_of_work() as db:
        await service.add(here, db, given=given)
    async with tool_server(here) as found, working(found):
        yield found


async def test_a_ticket_becomes_an_issue_once(near: Resources, agent: Person, github: tuple[Peer, str]) -> None:
    made = await ticket(near, agent.who)
    found = await call(near, agent, "create_github_issue", ticket_id=made.id, title="VPN: tunnel dies")
    assert (found["status"], found["external_id"], found["integration"]) == ("created", "#7", "Code")
    assert found["url"] == "https://github.com/acme/shop/issues/7"
    again = await call(near, agent, "create_integration_ticket", ticket_id=made.id)
    assert again["external_id"] == "#7"
    assert len(github[0].made) == 1
    assert github[0].made[0]["title"] == "VPN: tunnel dies"


async def test_what_is_missing_is_said_so_that_one_can_act(near: Resources, ada: Person, agent: Person) -> None:
    made = await ticket(near, ada.who)
    for tool, words in (
        ("create_jira_ticket", r"No connection \(jira\) is set up and switched on"),
        ("create_salesforce_case", r"No connection \(salesforce\) is set up"),
    ):
        with pytest.raises(ToolError, match=words):
            await call(near, agent, tool, ticket_id=made.id)
    with pytest.raises(ToolError, match="Only the support staff"):
        await call(near, ada, "create_github_issue", ticket_id=made.id)
    with pytest.raises(ToolError, match="no ticket of this number"):
        await call(near, agent, "create_github_issue", ticket_id=99)
    given = JiraIn.model_validate(
        {"provider": "jira", "name": "Away", "config": {**JiraPeer.config, "base_url": "http://127.0.0.1:9"}}
        | {"secret": JiraPeer.secret}
    )
    async with near.db.unit_of_work() as db:
        await service.add(near, db, given=given)
    with pytest.raises(ToolError, match="say which of “Code”, “Away”"):
        await call(near, agent, "create_integration_ticket", ticket_id=made.id)
