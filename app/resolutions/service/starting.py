"""Beginning to work on a ticket: the row and its job, once at a time."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.jobs import service as jobs
from app.models.base import uuid7
from app.models.resolution import Resolution
from app.resolutions import repository
from app.tickets import service as tickets
from app.tickets.errors import TicketMissing

JOB_KIND = "resolution"


async def start(db: AsyncSession, who: Principal, ticket_id: int) -> Resolution:
    """The resolution that works on the ticket: the one that runs already, or a new one. Raises TicketMissing."""
    await tickets.get(db, who, ticket_id)
    await repository.hold_ticket(db, ticket_id)
    known = await repository.running(db, ticket_id)
    if known is not None:
        return known
    resolution_id = uuid7()
    job = jobs.create(db, kind=JOB_KIND, subject=str(resolution_id))
    await db.flush()
    made = Resolution(
        id=resolution_id,
        ticket_id=ticket_id,
        job_id=job.id,
        asked_by=None if who == tickets.DESK else who.user_id,
    )
    db.add(made)
    await db.flush()
    return made


async def begin(db: AsyncSession, ticket_id: int) -> None:
    """For a new ticket, as the desk itself: nothing if somebody was quicker, or the message comes twice."""
    await repository.hold_ticket(db, ticket_id)
    if not await repository.any_of_ticket(db, ticket_id):
        try:
            await start(db, tickets.DESK, ticket_id)
        except TicketMissing:
            return
