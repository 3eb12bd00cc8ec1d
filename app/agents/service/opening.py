"""Opening a ticket for a run: once, whoever calls how often."""

import uuid
from collections.abc import Sequence
from typing import TypedDict

from sqlalchemy.ext.asyncio import AsyncSession

from app.agents.errors import RunMissing
from app.agents.repository import RunRepository
from app.core.auth import Principal
from app.files import service as file_room
from app.files.errors import FileMissing
from app.models.ticket import Priority
from app.tickets import service as tickets
from app.tickets.schemas import TicketOut


class NewTicket(TypedDict):
    title: str
    description: str
    category: str | None
    priority: Priority | None
    team: str | None
    tags: list[str]
    confidence: float | None


async def open_ticket(
    db: AsyncSession, who: Principal, *, run_id: uuid.UUID | None, ticket: NewTicket, files: Sequence[uuid.UUID]
) -> tuple[TicketOut, bool]:
    """The ticket, and whether it was made just now. The run remembers its ticket in the transaction that makes it, so
    that a worker which was killed and starts again, or one that was only thought dead, gets the same ticket.

    Raises FileMissing for a file that the person may not see.
    """
    run = None
    if run_id is not None:
        run = await RunRepository(db, who).get(run_id, lock=True)
        if run.user_id != who.user_id:
            raise RunMissing
        if run.ticket_id is not None:
            return await tickets.get(db, who, run.ticket_id), False
        # Only what the report came with: a text must not talk a model into attaching something else.
        if foreign := set(files) - {uuid.UUID(one) for one in run.request["files"]}:
            raise FileMissing(f"The file {min(foreign)} is not one of this report.")
    # A file that is on another ticket already stays there.
    loose = [file_id for file_id in files if (await file_room.get(db, who, file_id)).ticket_id is None]
    made = await tickets.create(db, who, **ticket)
    await file_room.attach(db, who, loose, ticket_id=made.id)
    if run is not None:
        run.ticket_id = made.id
    return made, True
