"""Tickets for tests, through the service."""

from typing import Any

from app.core.auth import Principal
from app.core.resources import Resources
from app.tickets import service
from app.tickets.schemas import TicketOut


async def ticket(resources: Resources, who: Principal, **fields: Any) -> TicketOut:
    """A committed ticket of `who`."""
    given = {"title": "VPN is down", "description": "No tunnel since nine, error E-4012.", **fields}
    async with resources.db.unit_of_work() as db:
        return await service.create(db, who, **given)
