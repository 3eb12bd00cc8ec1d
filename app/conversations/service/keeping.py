"""Finding what got lost on the way or was left lying: messages nobody is at work on, tickets whose news did not arrive,
handovers that nobody answers."""

import uuid

from sqlalchemy.ext.asyncio import AsyncSession

from app.conversations import repository
from app.conversations.service.overdue import OVERDUE
from app.core.clock import now
from app.jobs import service as jobs

RESCUE = "conversation.rescue"
FOLLOW = "conversation.follow"
_NAMES = uuid.UUID("0f3c7ad1-5b7b-4a58-9a0b-6d0f0b1c8e51")


async def look(db: AsyncSession, *, seconds: float) -> int:
    """A job for each that was neglected for longer than that; how many. Run again, it makes none twice."""
    made = 0
    for message_id in await repository.forsaken(db, seconds=seconds):
        job_id = _name(RESCUE, message_id, f"{now():%Y-%m-%d-%H}")
        made += await jobs.create_missing(db, kind=RESCUE, subjects={job_id: str(message_id)})
    for ticket in await repository.unfollowed(db, seconds=seconds):
        job_id = _name(FOLLOW, ticket.id, ticket.at.isoformat(), f"{now():%Y-%m-%d-%H}")
        made += await jobs.create_missing(db, kind=FOLLOW, subjects={job_id: str(ticket.id)})
    for escalation_id in await repository.overdue(db):
        job_id = _name(OVERDUE, escalation_id, f"{now():%Y-%m-%d-%H}")
        made += await jobs.create_missing(db, kind=OVERDUE, subjects={job_id: str(escalation_id)})
    return made


def _name(kind: str, *parts: object) -> uuid.UUID:
    # One an hour for one cause: several relays make one job, and one that was given up has another later.
    return uuid.uuid5(_NAMES, ":".join([kind, *map(str, parts)]))
