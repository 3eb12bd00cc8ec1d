"""What becomes of a ticket that nobody looked at in time: more urgent, and in somebody's hands."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.models.ticket import Priority, TicketStatus
from app.tickets.repository import TicketRepository
from app.tickets.schemas import TicketEdit
from app.tickets.service.categorisation import DESK
from app.tickets.service.editing import update
from app.tickets.service.noting import note_escalation

_NEXT = {Priority.LOW: Priority.MEDIUM, Priority.MEDIUM: Priority.HIGH, Priority.HIGH: Priority.CRITICAL}
_ENDED = (TicketStatus.RESOLVED, TicketStatus.CLOSED)


async def move_up(db: AsyncSession, ticket_id: int, *, report: str) -> str | None:
    """One step of priority; one that is nobody's goes to the supervisor who has the fewest open tickets, of its team
    if there is one. Whose it is now. Raises TicketMissing."""
    tickets = TicketRepository(db, DESK)
    ticket = await tickets.get(ticket_id, lock=True)
    if ticket.status not in _ENDED:
        edit: TicketEdit = {}
        if (raised := _NEXT.get(Priority(ticket.priority))) is not None:
            edit["priority"] = raised
        if ticket.assignee_id is None and (supervisor := await tickets.supervisor(ticket.team)) is not None:
            edit["assignee_id"] = supervisor
        await update(db, DESK, ticket_id, edit=edit)
    await note_escalation(db, ticket_id, level="overdue", team=ticket.team, report=report)
    found = await tickets.named(ticket)
    return None if found.assignee is None else found.assignee.username
