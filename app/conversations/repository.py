"""Conversations as their viewer may see them: staff all of them, customers their own."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.conversations.errors import SessionMissing
from app.core.auth import Principal
from app.core.repository import Repository
from app.models.conversation import (
    Case,
    Conversation,
    Escalation,
    Message,
    MessageCitation,
    SessionEvent,
    SessionStatus,
    Speaker,
)
from app.models.job import Job, JobState
from app.models.ticket import Ticket
from app.models.user import User

_WAITS = (Message.role == Speaker.CUSTOMER) & Message.handled_as.is_(None)
_LIVING = (JobState.QUEUED, JobState.RUNNING)


class ConversationRepository(Repository[Conversation]):
    model = Conversation
    missing = SessionMissing

    def visible(self) -> Select[Conversation]:
        query = select(Conversation)
        return query if self.who.is_staff else query.where(Conversation.customer_id == self.who.user_id)


class MessageRepository(Repository[Message]):
    """Of one conversation, which was looked up first, and so was access to it."""

    model = Message

    def __init__(self, db: AsyncSession, who: Principal, session_id: UUID) -> None:
        super().__init__(db, who)
        self.session_id = session_id

    def visible(self) -> Select[Message]:
        return select(Message).where(Message.session_id == self.session_id)

    async def of_source(self, source_id: str) -> Message | None:
        return (await self.db.execute(self.visible().where(Message.source_id == source_id))).scalar_one_or_none()

    async def waiting(self) -> Sequence[Message]:
        """The customer's messages that nobody has dealt with yet, oldest first."""
        return (await self.db.execute(self.visible().where(_WAITS).order_by(Message.position))).scalars().all()

    async def all(self, *, until: int | None = None, after: int = 0, newest: int = 1000) -> Sequence[Message]:
        """The `newest` of those at positions after `after` and up to `until`, oldest first."""
        query = self.visible().where(Message.position > after)
        if until is not None:
            query = query.where(Message.position <= until)
        rows = (await self.db.execute(query.order_by(Message.position.desc()).limit(newest))).scalars().all()
        return rows[::-1]

    async def last_of(self, *roles: Speaker) -> Message | None:
        query = self.visible().where(Message.role.in_(roles)).order_by(Message.position.desc()).limit(1)
        return (await self.db.execute(query)).scalar_one_or_none()


async def locked(db: AsyncSession, session_id: UUID) -> Conversation:
    """By whatever holds the conversation's work; access is not asked."""
    query = select(Conversation).where(Conversation.id == session_id).with_for_update()
    return (await db.execute(query.execution_options(populate_existing=True))).scalar_one()


async def of_ticket(db: AsyncSession, ticket_id: int) -> Conversation | None:
    """Locked."""
    query = select(Conversation).where(Conversation.ticket_id == ticket_id).with_for_update()
    return (await db.execute(query.execution_options(populate_existing=True))).scalar_one_or_none()


async def message(db: AsyncSession, message_id: UUID) -> Message | None:
    return await db.get(Message, message_id, populate_existing=True)


async def customer(db: AsyncSession, user_id: int) -> tuple[Principal, bool]:
    """The person, as they are now, and whether their account is active."""
    user = (await db.execute(select(User).where(User.id == user_id))).scalar_one()
    return user.as_principal(), user.active


async def citations(db: AsyncSession, message_ids: Collection[UUID]) -> dict[UUID, list[MessageCitation]]:
    query = select(MessageCitation).where(MessageCitation.message_id.in_(message_ids)).order_by(MessageCitation.id)
    found: dict[UUID, list[MessageCitation]] = {}
    for row in (await db.execute(query)).scalars():
        found.setdefault(row.message_id, []).append(row)
    return found


async def known_comments(db: AsyncSession, comment_ids: Collection[int]) -> set[int]:
    """Those that are in a conversation already."""
    query = select(Message.comment_id).where(Message.comment_id.in_(comment_ids))
    return {comment_id for comment_id in (await db.execute(query)).scalars() if comment_id is not None}


async def escalation_of_event(db: AsyncSession, session_id: UUID, event: str) -> Escalation | None:
    query = select(Escalation).where(Escalation.session_id == session_id, Escalation.event == event)
    return (await db.execute(query)).scalar_one_or_none()


async def last_escalation(db: AsyncSession, session_id: UUID) -> Escalation | None:
    query = select(Escalation).where(Escalation.session_id == session_id).order_by(Escalation.id.desc()).limit(1)
    return (await db.execute(query)).scalar_one_or_none()


async def case(db: AsyncSession, session_id: UUID) -> Case | None:
    return await db.get(Case, session_id)


async def events_after(db: AsyncSession, session_id: UUID, number: int, *, limit: int) -> Sequence[SessionEvent]:
    query = select(SessionEvent).where(SessionEvent.session_id == session_id, SessionEvent.number > number)
    return (await db.execute(query.order_by(SessionEvent.number).limit(limit))).scalars().all()


async def messages_of(db: AsyncSession, message_ids: Collection[UUID]) -> dict[UUID, Message]:
    query = select(Message).where(Message.id.in_(message_ids))
    return {row.id: row for row in (await db.execute(query)).scalars()}


async def forsaken(db: AsyncSession, *, seconds: float, limit: int = 100) -> Sequence[UUID]:
    """Messages that wait though no job is at work on them or on an earlier one of their conversation."""
    other, job = aliased(Message), aliased(Job)
    cared_for = exists().where(
        other.session_id == Message.session_id,
        other.handled_as.is_(None),
        other.role == Speaker.CUSTOMER,
        other.job_id == job.id,
        job.state.in_(_LIVING),
    )
    old = Message.created_at < func.clock_timestamp() - timedelta(seconds=seconds)
    query = select(Message.id).where(_WAITS, old, ~cared_for).order_by(Message.created_at).limit(limit)
    return (await db.execute(query)).scalars().all()


async def overdue(db: AsyncSession, *, limit: int = 100) -> Sequence[int]:
    """Handovers that nobody answered in time and nobody was told of, the longest due first."""
    query = select(Escalation.id).join(Conversation, Conversation.id == Escalation.session_id)
    waiting = Escalation.answered_at.is_(None) & Escalation.breached_at.is_(None)
    query = query.where(
        waiting,
        Escalation.due_at < func.clock_timestamp(),
        Conversation.status == SessionStatus.ESCALATED,
        Conversation.ticket_id == Escalation.ticket_id,
    )
    return (await db.execute(query.order_by(Escalation.due_at).limit(limit))).scalars().all()


def is_overdue() -> ColumnElement[bool]:
    """Of a conversation: its handover was seen to be overdue, and still nobody has answered."""
    return (Conversation.status == SessionStatus.ESCALATED) & exists().where(
        Escalation.session_id == Conversation.id,
        Escalation.breached_at.is_not(None),
        Escalation.answered_at.is_(None),
    )


async def note_answered(db: AsyncSession, session_id: UUID, at: datetime) -> None:
    """Its handovers have been answered by a person."""
    unanswered = (Escalation.session_id == session_id) & Escalation.answered_at.is_(None)
    await db.execute(update(Escalation).where(unanswered).values(answered_at=at))


async def unfollowed(db: AsyncSession, *, seconds: float, limit: int = 100) -> Sequence[Row[int, int, datetime]]:
    """Tickets on which something happened that their conversation has not been told for so long."""
    news = func.coalesce(Ticket.deleted_at, Ticket.updated_at)
    query = (
        select(Ticket.id, Ticket.version, news.label("at"))
        .join(Conversation, Conversation.ticket_id == Ticket.id)
        .where(
            Conversation.status == SessionStatus.ESCALATED,
            func.coalesce(Conversation.followed_at, Conversation.created_at) < news,
            news < func.clock_timestamp() - timedelta(seconds=seconds),
        )
        .order_by(news)
        .limit(limit)
    )
    return (await db.execute(query)).all()
