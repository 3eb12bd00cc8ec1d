"""Finding tickets whose embedding or categorisation got lost with its message, and making a job of each.

A message to a worker may vanish with the broker. What is missing shows in the rows, so nothing has to be written when
a ticket is created for this to be noticed.
"""

import uuid

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import now
from app.jobs import service as jobs
from app.tickets.repository.neglected import Neglected, NeglectedTickets
from app.tickets.service.categorisation import ACTION

JOB_KIND = "ticket.catch_up"
STRETCH = 1000
"""How many numbers one look covers."""

_NAMES = uuid.UUID("5d6b0d6e-9c0a-4a57-8c0e-2f4f5f1d3a10")


class Rounds:
    """Looks at the newest tickets each time, and at a stretch of the others, so that in the end it has seen all."""

    def __init__(self) -> None:
        self._below = 0

    async def look(self, db: AsyncSession, *, seconds: float) -> int:
        """A job for each ticket neglected for longer than that; how many. Some may have one already: see `_job_id`."""
        tickets = NeglectedTickets(db, categorised=ACTION)
        newest = await tickets.newest()
        last = newest - STRETCH
        found = await tickets.between(last + 1, newest, seconds=seconds)
        if last > 0:
            last = min(self._below, last) if self._below > 0 else last
            self._below = last - STRETCH
            found += await tickets.between(self._below + 1, last, seconds=seconds)
        return await jobs.create_missing(
            db, kind=JOB_KIND, subjects={_job_id(ticket): str(ticket.ticket_id) for ticket in found}
        )


async def left_to_do(db: AsyncSession, ticket_id: int) -> Neglected | None:
    """None: nothing, or the ticket is gone."""
    found = await NeglectedTickets(db, categorised=ACTION).between(ticket_id, ticket_id)
    return found[0] if found else None


def _job_id(ticket: Neglected) -> uuid.UUID:
    """The same for one version and day: several relays make one job, and one that was given up has another tomorrow."""
    return uuid.uuid5(_NAMES, f"{ticket.ticket_id}:{ticket.version}:{now().date()}")
