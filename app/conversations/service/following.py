"""What happens on the ticket comes into its conversation: public comments once each and in order, and its end.

Reads the ticket's state instead of trusting that every event arrives: one look makes good whatever was missed.
"""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.conversations import repository
from app.conversations.repository import MessageRepository
from app.conversations.service.bridging import take_comments
from app.conversations.service.resolving import close, forget_case
from app.core.clock import now
from app.models.conversation import Conversation, SessionStatus
from app.models.ticket import TicketStatus
from app.tickets import service as tickets
from app.tickets.errors import TicketMissing

ENDED = (TicketStatus.RESOLVED, TicketStatus.CLOSED)
REMOVED = "Our staff has removed this request."


async def follow(db: AsyncSession, ticket_id: int) -> UUID | None:
    """The conversation that was brought up to date, if the ticket has one."""
    session = await repository.of_ticket(db, ticket_id)
    if session is None:
        return None
    try:
        ticket = await tickets.get(db, tickets.DESK, ticket_id)
    except TicketMissing:
        await _removed(db, session)
        return session.id
    if session.status != SessionStatus.ESCALATED:
        return session.id
    await take_comments(db, session, ticket_id, customer=ticket.requester.id)
    session.followed_at = ticket.updated_at
    if ticket.status in ENDED and not await MessageRepository(db, tickets.DESK, session.id).waiting():
        # What waits is forwarded by its job, and opens the ticket again.
        await close(db, session, resolution=None)
    return session.id


async def _removed(db: AsyncSession, session: Conversation) -> None:
    if session.status == SessionStatus.ESCALATED:
        session.followed_at = now()
        await close(db, session, resolution=None, word=REMOVED, learn=False)
    await forget_case(db, session.id)
