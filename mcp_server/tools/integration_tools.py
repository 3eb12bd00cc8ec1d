"""Where work goes: to which team, and into which outside system it usually belongs."""

from typing import Annotated, Any

from fastmcp import FastMCP
from pydantic import BaseModel, Field

from app.core.schemas import Slug
from app.inference.local.extraction import extract
from app.inference.local.routing import TEAMS, integration_for, team_for
from app.models.ticket import Priority
from mcp_server.desk import Desk
from mcp_server.tools.shapes import READS, Report


class Route(BaseModel):
    team: str
    recommended_integration: str | None = Field(description="The kind of outside system for such work, if any.")
    reason: str


def build(_desk: Desk) -> FastMCP[Any]:
    server: FastMCP[Any] = FastMCP("integration", mask_error_details=True)

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

    return server
