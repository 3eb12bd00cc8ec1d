"""Nobody answered a handover by the time it was due: marked once, and the ticket moves up to somebody."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.conversations import repository
from app.conversations.events import SessionOverdue
from app.core.clock import now
from app.models.conversation import Escalation, SessionStatus
from app.outbox import writer as outbox
from app.tickets import service as tickets
from app.tickets.errors import TicketMissing

OVERDUE = "conversation.overdue"


async def mark_overdue(db: AsyncSession, escalation_id: int) -> bool:
    """In one transaction with what follows from it. False: it was answered, marked or ended meanwhile, or is gone."""
    made = await db.get(Escalation, escalation_id)
    if made is None:
        return False
    session = await repository.locked(db, made.session_id)
    await db.refresh(made)
    with_staff = session.status == SessionStatus.ESCALATED and session.ticket_id == made.ticket_id
    if not with_staff or made.answered_at is not None or made.breached_at is not None or made.due_at > now():
        return False
    made.breached_at = now()
    report = f"Conversation {session.id} was to be answered by {made.due_at.isoformat(timespec='seconds')}."
    try:
        owner = await tickets.move_up(db, made.ticket_id, report=report)
    except TicketMissing:
        # Its end comes into the conversation by another way.
        return True
    outbox.add(
        db,
        SessionOverdue(
            session_id=session.id,
            ticket_id=made.ticket_id,
            team=made.team,
            assigned_to=owner,
            due_at=made.due_at,
            timestamp=made.breached_at,
        ),
    )
    return True
