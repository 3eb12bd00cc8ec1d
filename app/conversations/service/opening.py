"""Opening conversations, and looking at them."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.conversations import repository
from app.conversations.errors import CaseMissing, EscalationMissing, SessionMissing
from app.conversations.repository import ConversationRepository, MessageRepository
from app.conversations.schemas import CaseOut, CitationOut, EscalationOut, MessageOut, SessionOut, SessionQuery
from app.conversations.service.recording import shown, tell_status
from app.core.auth import Principal
from app.core.clock import now
from app.core.pagination import Page
from app.models.base import uuid7
from app.models.conversation import (
    ChannelName,
    Conversation,
    Message,
    MessageCitation,
    SessionStatus,
    Speaker,
)


async def start(db: AsyncSession, who: Principal, *, channel: ChannelName = ChannelName.WEB) -> SessionOut:
    """A conversation of `who`, who is its customer whatever else they are."""
    at = now()
    session = Conversation(
        id=uuid7(),
        customer_id=who.user_id,
        channel=channel,
        status=SessionStatus.OPEN,
        summary="",
        messages=0,
        events=0,
        comments_until=0,
        created_at=at,
        updated_at=at,
    )
    db.add(session)
    await db.flush()
    tell_status(db, session)
    return shown(session, who)


async def get(db: AsyncSession, who: Principal, session_id: UUID) -> SessionOut:
    return shown(await ConversationRepository(db, who).get(session_id), who)


async def list_sessions(db: AsyncSession, who: Principal, *, asked: SessionQuery) -> Page[SessionOut]:
    """Newest first."""
    sessions = ConversationRepository(db, who)
    query = sessions.visible()
    if asked.status is not None:
        query = query.where(Conversation.status == asked.status)
    if asked.overdue:
        query = query.where(repository.is_overdue())
    page = await sessions.page(query, sort=Conversation.created_at, cursor=asked.cursor, limit=asked.limit)
    return Page([shown(row, who) for row in page.rows], page.next_cursor)


async def messages(
    db: AsyncSession, who: Principal, session_id: UUID, *, cursor: str | None = None, limit: int = 50
) -> Page[MessageOut]:
    """Oldest first."""
    await ConversationRepository(db, who).get(session_id)
    found = MessageRepository(db, who, session_id)
    page = await found.page(found.visible(), sort=Message.position, descending=False, cursor=cursor, limit=limit)
    return Page(await with_citations(db, page.rows), page.next_cursor)


async def message(db: AsyncSession, who: Principal, message_id: UUID) -> MessageOut:
    """Raises SessionMissing, also when there is no such message."""
    row = await repository.message(db, message_id)
    if row is None:
        raise SessionMissing
    await ConversationRepository(db, who).get(row.session_id)
    return (await with_citations(db, [row]))[0]


async def customer_of(db: AsyncSession, who: Principal, session_id: UUID) -> tuple[Principal, bool]:
    """The customer as they are now, and whether their account is open. Raises SessionMissing."""
    session = await ConversationRepository(db, who).get(session_id)
    return await repository.customer(db, session.customer_id)


async def with_citations(db: AsyncSession, rows: Sequence[Message]) -> list[MessageOut]:
    answers = [row.id for row in rows if row.role == Speaker.ASSISTANT]
    cited = await repository.citations(db, answers) if answers else {}
    return [message_out(row, cited.get(row.id, [])) for row in rows]


def message_out(row: Message, cited: Sequence[MessageCitation] = ()) -> MessageOut:
    return MessageOut(
        message_id=row.id,
        session_id=row.session_id,
        position=row.position,
        role=Speaker(row.role),
        content=row.content,
        citations=[CitationOut.model_validate(one) for one in cited],
        reason=row.reason,
        reply_to=row.reply_to,
        created_at=row.created_at,
    )


async def escalation(db: AsyncSession, who: Principal, session_id: UUID) -> EscalationOut:
    """The last handover. Raises SessionMissing and EscalationMissing."""
    await ConversationRepository(db, who).get(session_id)
    row = await repository.last_escalation(db, session_id)
    if row is None:
        raise EscalationMissing
    return EscalationOut.of(row, who)


async def case(db: AsyncSession, who: Principal, session_id: UUID) -> CaseOut:
    """Raises SessionMissing and CaseMissing."""
    await ConversationRepository(db, who).get(session_id)
    row = await repository.case(db, session_id)
    if row is None:
        raise CaseMissing
    return CaseOut.model_validate(row)
