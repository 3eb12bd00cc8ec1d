"""Taking in what is said. The message is stored, and nothing else is waited for: a job sees to what follows from it."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.conversations.errors import SessionNotEscalated, SessionResolved, SourceConflict
from app.conversations.repository import ConversationRepository, MessageRepository
from app.conversations.schemas import MessageOut
from app.conversations.service.opening import with_citations
from app.conversations.service.recording import append
from app.core.auth import Principal
from app.jobs import service as jobs
from app.models.conversation import Conversation, Message, SessionStatus, Speaker
from app.tickets import service as tickets

TURN = "conversation.turn"


async def say(
    db: AsyncSession,
    who: Principal,
    session_id: UUID,
    *,
    content: str,
    source_id: str | None = None,
    unproven: bool = False,
) -> MessageOut:
    """What its customer says is answered, or reaches the ticket; what staff says reaches the customer, and the ticket.

    A message of a source id that is known is the message of before. Raises SessionMissing, SessionResolved,
    SessionNotEscalated, SourceConflict, TicketMissing and TicketClosed.
    """
    session = await ConversationRepository(db, who).get(session_id, lock=True)
    if source_id is not None and (known := await MessageRepository(db, who, session.id).of_source(source_id)):
        if known.content != content:
            raise SourceConflict
        return (await with_citations(db, [known]))[0]
    if session.status == SessionStatus.RESOLVED:
        raise SessionResolved
    if who.user_id == session.customer_id:
        said = await append(
            db, session, Speaker.CUSTOMER, content, source_id=source_id, author_id=who.user_id, unproven=unproven
        )
        await see_to_next(db, who, session)
    else:
        said = await _say_as_staff(db, who, session, content, source_id)
    return (await with_citations(db, [said]))[0]


async def see_to_next(db: AsyncSession, who: Principal, session: Conversation) -> None:
    """A job for the oldest message that waits, unless it has one: they are dealt with one after the other."""
    waiting = await MessageRepository(db, who, session.id).waiting()
    if waiting and waiting[0].job_id is None:
        job = jobs.create(db, kind=TURN, subject=str(waiting[0].id))
        await db.flush()
        waiting[0].job_id = job.id


async def _say_as_staff(
    db: AsyncSession, who: Principal, session: Conversation, content: str, source_id: str | None
) -> Message:
    if session.ticket_id is None:
        raise SessionNotEscalated
    comment = await tickets.comment(db, who, session.ticket_id, body=content)
    return await append(
        db, session, Speaker.AGENT, content, source_id=source_id, author_id=who.user_id, comment_id=comment.id
    )
