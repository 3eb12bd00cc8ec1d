"""Where work goes: to which team, and into which outside system."""

from typing import Annotated, Any

from fastmcp import FastMCP
from pydantic import BaseModel, Field

from app.core.schemas import Body, Line, Slug
from app.inference.local.extraction import extract
from app.inference.local.routing import TEAMS, integration_for, team_for
from app.integrations import service as integrations
from app.integrations.schemas import ExportOut, Name
from app.integrations.vendors import Provider
from app.models.ticket import Priority
from mcp_server.context import readable_errors, writing
from mcp_server.desk import Desk
from mcp_server.parts import part
from mcp_server.tools.shapes import ADDS_ELSEWHERE, READS, Report, TicketId


class Route(BaseModel):
    team: str
    recommended_integration: str | None = Field(description="The kind of outside system for such work, if any.")
    reason: str


Connection = Annotated[
    Name | None, Field(description="The connection's name; may be left out where there is only one that fits.")
]
Title = Annotated[Line | None, Field(description="Left out: the ticket's title.")]
Text = Annotated[Body | None, Field(description="Left out: the ticket's description.")]


def build(desk: Desk) -> FastMCP[Any]:
    server: FastMCP[Any] = part("integration")

    async def pass_on(
        ticket_id: int, provider: Provider | None, name: str | None, title: str | None, description: str | None
    ) -> ExportOut:
        async with writing(desk) as call:
            export = await integrations.pass_on(
                call.db,
                call.who,
                ticket_id=ticket_id,
                provider=provider,
                name=name,
                title=title,
                description=description,
            )
        with readable_errors():
            seconds = call.resources.settings.integrations.wait_seconds
            return await integrations.wait_for(call.resources, call.who, export, seconds=seconds)

    @server.tool(annotations=READS)
    async def route_to_team(
        category: Annotated[Slug, Field(description="As categorize_issue gave it.")],
        priority: Priority,
        text: Report | None = None,
    ) -> Route:
        """Say which team takes a problem of this category, and which outside system such work usually goes into."""
        shows_code = bool(text and extract(text).stack_frames)
        team = team_for(category)
        known = (
            f"“{category}” goes to {team}" if category in TEAMS else f"“{category}” is unknown, so {team} sorts it out"
        )
        urgent = " It is critical: tell them at once." if priority is Priority.CRITICAL else ""
        return Route(
            team=team,
            recommended_integration=integration_for(category, shows_code=shows_code),
            reason=f"{known}.{urgent}",
        )

    @server.tool(annotations=ADDS_ELSEWHERE)
    async def create_integration_ticket(
        ticket_id: TicketId,
        provider: Annotated[Provider | None, Field(description="Left out: whichever the connection is of.")] = None,
        integration: Connection = None,
        title: Title = None,
        description: Text = None,
    ) -> ExportOut:
        """Pass a ticket of the desk on to another system, once per connection. Asked again, it says how that went:
        queued is under way, failed is tried once more."""
        return await pass_on(ticket_id, provider, integration, title, description)

    @server.tool(annotations=ADDS_ELSEWHERE)
    async def create_jira_ticket(
        ticket_id: TicketId, integration: Connection = None, title: Title = None, description: Text = None
    ) -> ExportOut:
        """Pass a ticket of the desk on to Jira as an issue, once. Asked again, it says how that went."""
        return await pass_on(ticket_id, Provider.JIRA, integration, title, description)

    @server.tool(annotations=ADDS_ELSEWHERE)
    async def create_salesforce_case(
        ticket_id: TicketId, integration: Connection = None, title: Title = None, description: Text = None
    ) -> ExportOut:
        """Pass a ticket of the desk on to Salesforce as a case, once. Asked again, it says how that went."""
        return await pass_on(ticket_id, Provider.SALESFORCE, integration, title, description)

    @server.tool(annotations=ADDS_ELSEWHERE)
    async def create_github_issue(
        ticket_id: TicketId, integration: Connection = None, title: Title = None, description: Text = None
    ) -> ExportOut:
        """Pass a ticket of the desk on to GitHub as an issue, once. Asked again, it says how that went."""
        return await pass_on(ticket_id, Provider.GITHUB, integration, title, description)

    return server
