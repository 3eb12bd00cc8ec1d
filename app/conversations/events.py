"""What happened in a conversation. Small: who needs more reads the conversation."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from app.core.schemas import Event
from app.models.conversation import ChannelName, Speaker


class ConversationEvent(Event):
    session_id: UUID

    @property
    def aggregate(self) -> str:
        return f"session:{self.session_id}"


class SessionChanged(ConversationEvent):
    """There is a new event for those who watch; `number` is its own."""

    type: ClassVar[str] = "session.changed"
    number: int
    channel: ChannelName
    # Where the event is a message.
    message_id: UUID | None
    role: Speaker | None


class SessionEscalated(ConversationEvent):
    type: ClassVar[str] = "session.escalated"
    ticket_id: int
    reason: str


class SessionOverdue(ConversationEvent):
    """Nobody answered in time. `assigned_to` is a username, None where the ticket lies in its team's queue."""

    type: ClassVar[str] = "session.overdue"
    ticket_id: int
    team: str | None
    assigned_to: str | None
    due_at: datetime
    timestamp: datetime


class SessionEnded(ConversationEvent):
    type: ClassVar[str] = "session.resolved"
    ticket_id: int | None
