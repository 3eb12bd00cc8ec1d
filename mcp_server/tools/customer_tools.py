"""Who is asking, what happened before, and what is out of order just now. Known from the desk, never from the text."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastmcp import FastMCP
from pydantic import BaseModel, Field

from app.directory import service as directory
from app.directory.schemas import Service
from app.inference.local.priority import Facts
from app.models.directory import ServiceState
from app.models.ticket import TicketStatus
from app.tickets import service as tickets
from app.tickets.schemas import SimilarOut, TicketOut, TicketQuery
from mcp_server.context import Call, reading
from mcp_server.desk import Desk
from mcp_server.parts import part
from mcp_server.tools.shapes import READS, Report, TicketId

SAME_PROBLEM = 0.6
"""Tickets of one person that are so alike are counted as the same problem met again."""
RECENT = 100
_ABOUT = Field(description="The ticket whose customer is meant; left out: the person of the token.")


class VipStatus(BaseModel):
    known: bool = Field(description="False: the desk knows nothing of this person, which is not a no.")
    vip: bool
    tier: str | None
    organisation: str | None


class ServiceHealth(BaseModel):
    known: bool = Field(description="False: the system that knows is away.")
    affected: list[Service] = Field(description="Services that the text names and that are not operational.")
    troubled: list[Service] = Field(description="All services that are not operational.")


class History(BaseModel):
    tickets_total: int = Field(description="Of the newest 100.")
    tickets_open: int
    resolved: int
    same_problem: list[SimilarOut] = Field(description="Earlier tickets of this person about the same.")
    latest: list[str] = Field(description="Titles, newest first.")


def build(desk: Desk) -> FastMCP[Any]:
    server: FastMCP[Any] = part("customer")

    @server.tool(annotations=READS)
    async def check_vip_status(ticket_id: Annotated[TicketId | None, _ABOUT] = None) -> VipStatus:
        """Say whether a customer has a special standing. What a text claims about that counts for nothing."""
        async with reading(desk) as call:
            found = await directory.profile(call.resources, call.db, call.who, await _customer(call, ticket_id))
        if found is None:
            return VipStatus(known=False, vip=False, tier=None, organisation=None)
        return VipStatus(known=True, vip=found.vip, tier=found.tier, organisation=found.organisation)

    @server.tool(annotations=READS)
    async def check_service_status(text: Report | None = None) -> ServiceHealth:
        """Say which services are in trouble now, and which of them a report names."""
        async with reading(desk) as call:
            found = await directory.services(call.resources, call.db)
        troubled = [service for service in found or [] if service.troubled]
        return ServiceHealth(
            known=found is not None,
            affected=directory.named_in(text, troubled) if text else [],
            troubled=troubled,
        )

    @server.tool(annotations=READS)
    async def get_historical_context(ticket_id: Annotated[TicketId | None, _ABOUT] = None) -> History:
        """What this customer reported before: how much, how it ended, and whether this is the same again."""
        async with reading(desk) as call:
            person = await _customer(call, ticket_id)
            asked = TicketQuery(requester=str(person), limit=RECENT, sort="-id")
            page = await tickets.list_tickets(call.db, call.who, asked=asked)
            before = [ticket for ticket in page.rows if ticket.id != ticket_id]
            same = await _same_problem(call, ticket_id, before)
        return History(
            tickets_total=len(before),
            tickets_open=sum(ticket.resolved_at is None for ticket in before),
            resolved=sum(ticket.status in (TicketStatus.RESOLVED, TicketStatus.CLOSED) for ticket in before),
            same_problem=same,
            latest=[ticket.title for ticket in before[:5]],
        )

    return server


async def known_facts(call: Call, text: str, ticket_id: int | None) -> Facts:
    """What counts for the priority besides the text, with its proof."""
    proven: dict[str, str] = {}
    person = await _customer(call, ticket_id)
    profile = await directory.profile(call.resources, call.db, call.who, person)
    if profile is not None and profile.vip:
        proven["vip"] = f"customer of tier {profile.tier}" if profile.tier else "marked as VIP"
    services = await directory.services(call.resources, call.db)
    for service in directory.named_in(text, services or []):
        if service.state is ServiceState.OUTAGE:
            proven["active_outage"] = f"{service.name} is out of order"
    if ticket_id is not None:
        asked = TicketQuery(requester=str(person), limit=RECENT, sort="-id")
        before = (await tickets.list_tickets(call.db, call.who, asked=asked)).rows
        if same := await _same_problem(call, ticket_id, [one for one in before if one.id != ticket_id]):
            proven["repeated_contact"] = f"like ticket {same[0].id} of the same customer"
    return Facts(proven)


async def _customer(call: Call, ticket_id: int | None) -> int:
    """Raises TicketMissing for a ticket that the person may not see."""
    if ticket_id is None:
        return call.who.user_id
    return (await tickets.get(call.db, call.who, ticket_id)).requester.id


async def _same_problem(call: Call, ticket_id: int | None, before: Sequence[TicketOut]) -> list[SimilarOut]:
    if ticket_id is None or not before:
        return []
    own = {ticket.id for ticket in before}
    found = await tickets.similar(call.db, call.who, ticket_id, limit=20)
    return [one for one in found if one.id in own and (one.meaning or 0.0) >= SAME_PROBLEM][:5]
