"""Tickets: opening one, looking for others, saying something on one, correcting one."""

import uuid
from typing import Annotated, Any

from fastmcp import FastMCP
from fastmcp.exceptions import ToolError
from pydantic import BaseModel, Field

from app.agents import service as agents
from app.agents.schemas import MAX_FILES
from app.core.schemas import Body, Line, Slug
from app.models.ticket import Priority, TicketStatus, Visibility
from app.tickets import service as tickets
from app.tickets.schemas import CommentOut, SimilarOut, Tags, TicketEdit, TicketOut
from mcp_server.context import reading, writing
from mcp_server.desk import Desk
from mcp_server.parts import part
from mcp_server.tools.shapes import ADDS, ADDS_ONCE, CHANGES, READS, Limit, Query, TicketId

EXCERPT_CHARS = 500


class OpenedTicket(BaseModel):
    ticket_id: int
    created: bool = Field(description="False: this run had opened its ticket before; it is that one.")
    title: str
    description: str
    category: str
    priority: Priority
    team: str | None
    tags: list[str]
    status: TicketStatus


class FoundTicket(BaseModel):
    id: int
    title: str
    excerpt: str
    status: TicketStatus
    category: str
    priority: Priority
    team: str | None
    score: float | None = Field(description="How near in meaning, 0 to 1; null where only words were compared.")


def build(desk: Desk) -> FastMCP[Any]:
    server: FastMCP[Any] = part("ticket")

    @server.tool(annotations=ADDS_ONCE)
    async def create_ticket(
        title: Annotated[Line, Field(description="What fails and how, in at most 100 characters.")],
        description: Annotated[Body, Field(description="What a colleague needs to know. Nothing that was not said.")],
        category: Annotated[
            Slug | None, Field(description="As categorize_issue gave it; left out: found later.")
        ] = None,
        priority: Priority | None = None,
        team: Annotated[Slug | None, Field(description="As route_to_team gave it.")] = None,
        tags: Annotated[Tags | None, Field(description="Short, lower case.")] = None,
        file_ids: Annotated[
            list[uuid.UUID] | None, Field(max_length=MAX_FILES, description="The person's own files, to be attached.")
        ] = None,
        confidence: Annotated[
            float | None, Field(ge=0, le=1, description="How likely category, priority and team are right.")
        ] = None,
    ) -> OpenedTicket:
        """Open a ticket in the name of the person, with their files. One run opens one ticket: a second call in the
        same run returns the first one unchanged."""
        ticket = agents.NewTicket(
            title=title,
            description=description,
            category=category,
            priority=priority,
            team=team,
            tags=tags or [],
            confidence=confidence,
        )
        async with writing(desk) as call:
            run = None if call.run_id is None else uuid.UUID(call.run_id)
            made, created = await agents.open_ticket(
                call.db, call.who, run_id=run, ticket=ticket, files=list(dict.fromkeys(file_ids or []))
            )
        return OpenedTicket(
            ticket_id=made.id,
            created=created,
            title=made.title,
            description=made.description,
            category=made.category,
            priority=made.priority,
            team=made.team,
            tags=made.tags,
            status=made.status,
        )

    @server.tool(annotations=READS)
    async def get_ticket(ticket_id: TicketId) -> TicketOut:
        """Read a ticket that the person may see."""
        async with reading(desk) as call:
            return await tickets.get(call.db, call.who, ticket_id)

    @server.tool(annotations=READS)
    async def search_tickets(
        query: Annotated[Query, Field(description='Words; "quoted phrases" and -exclusions are understood.')],
        limit: Limit = 5,
    ) -> list[FoundTicket]:
        """Find tickets, among those the person may see, that hold these words or mean the same."""
        async with reading(desk) as call:
            alike = {
                row.id: row.score for row in await tickets.find_similar(call.db, call.who, text=query, limit=limit)
            }
            found = await tickets.search(call.db, call.who, text=query, limit=limit)
            named = {ticket.id for ticket in found}
            found += [await tickets.get(call.db, call.who, one) for one in alike if one not in named]
        return [_found(ticket, alike.get(ticket.id)) for ticket in found[:limit]]

    @server.tool(annotations=READS)
    async def find_similar_tickets(
        text: Annotated[Query | None, Field(description="A description of the problem.")] = None,
        ticket_id: Annotated[TicketId | None, Field(description="Or: a ticket to find others like.")] = None,
        limit: Limit = 5,
    ) -> list[SimilarOut]:
        """Find tickets, among those the person may see, that mean the same as a text or as another ticket."""
        async with reading(desk) as call:
            if ticket_id is not None:
                return await tickets.similar(call.db, call.who, ticket_id, limit=limit)
            if text is not None:
                return await tickets.find_similar(call.db, call.who, text=text, limit=limit)
        raise ToolError("Give either a text or a ticket_id.")

    @server.tool(annotations=ADDS)
    async def add_comment(
        ticket_id: TicketId,
        body: Body,
        visibility: Annotated[Visibility, Field(description="internal: for the staff only.")] = Visibility.PUBLIC,
    ) -> CommentOut:
        """Say something on a ticket, in the name of the person."""
        async with writing(desk) as call:
            return await tickets.comment(call.db, call.who, ticket_id, body=body, visibility=visibility)

    @server.tool(annotations=CHANGES)
    async def update_ticket(
        ticket_id: TicketId,
        version: Annotated[int, Field(ge=1, description="The version that you have read; refused if it changed.")],
        title: Line | None = None,
        description: Body | None = None,
        status: TicketStatus | None = None,
        priority: Priority | None = None,
        category: Slug | None = None,
        team: Slug | None = None,
        tags: Tags | None = None,
    ) -> TicketOut:
        """Correct fields of a ticket; those left out stay as they are. The person's rights decide what may change."""
        given = {
            "title": title,
            "description": description,
            "status": status,
            "priority": priority,
            "category": category,
            "team": team,
            "tags": tags,
        }
        edit = TicketEdit(**{name: value for name, value in given.items() if value is not None})  # type: ignore[typeddict-item] # the names above
        if not edit:
            raise ToolError("Give at least one field to change.")
        async with writing(desk) as call:
            return await tickets.update(call.db, call.who, ticket_id, edit=edit, if_match=f'"{version}"')

    return server


def _found(ticket: TicketOut, score: float | None) -> FoundTicket:
    return FoundTicket(
        id=ticket.id,
        title=ticket.title,
        excerpt=ticket.description[:EXCERPT_CHARS],
        status=ticket.status,
        category=ticket.category,
        priority=ticket.priority,
        team=ticket.team,
        score=score,
    )
