"""Writing into a conversation, under the lock of its row: the message, its number, and what watchers are told."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.conversations import repository, summary
from app.conversations.events import SessionChanged
from app.conversations.schemas import RecapOut, SessionOut
from app.conversations.service.recapping import see_to_recap
from app.core.auth import Principal
from app.core.clock import now
from app.models.base import uuid7
from app.models.conversation import ChannelName, Conversation, Message, SessionEvent, Speaker
from app.outbox import writer as outbox

MESSAGE, STATUS, FLAGGED = "message", "status", "message_flagged"


async def append(db: AsyncSession, session: Conversation, role: Speaker, content: str, **columns: Any) -> Message:
    """`columns` are those of `Message`. The caller holds the session's lock."""
    said = Message(
        id=uuid7(),
        session_id=session.id,
        position=session.next_position(),
        role=role,
        content=content,
        created_at=now(),
        **columns,
    )
    session.summary = summary.extended(session.summary, role, content)
    db.add(said)
    see_to_recap(db, session)
    await db.flush()
    if role is Speaker.AGENT:
        await repository.note_answered(db, session.id, said.created_at)
    tell(db, session, MESSAGE, message=said)
    return said


def tell_status(db: AsyncSession, session: Conversation) -> None:
    data = {"status": session.status, "reason": session.reason, "ticket_id": session.ticket_id}
    tell(db, session, STATUS, data=data)


def tell(
    db: AsyncSession,
    session: Conversation,
    type_: str,
    *,
    message: Message | None = None,
    data: dict[str, Any] | None = None,
) -> None:
    number = session.next_number()
    message_id = None if message is None else message.id
    db.add(
        SessionEvent(
            session_id=session.id, number=number, type=type_, message_id=message_id, data=data or {}, created_at=now()
        )
    )
    outbox.add(
        db,
        SessionChanged(
            session_id=session.id,
            number=number,
            channel=ChannelName(session.channel),
            message_id=message_id,
            role=None if message is None else Speaker(message.role),
        ),
    )


def shown(session: Conversation, who: Principal) -> SessionOut:
    """A model's words reach a customer through the gate alone: its recap is for the staff."""
    found = SessionOut.model_validate(session)
    return found.model_copy(update={"recap": recap_of(session) if who.is_staff else None})


def recap_of(session: Conversation) -> RecapOut | None:
    if not session.recap_text:
        return None
    return RecapOut(
        text=session.recap_text,
        until=session.recap_until,
        model=session.recap_model or "",
        config_version=session.recap_config,
    )
