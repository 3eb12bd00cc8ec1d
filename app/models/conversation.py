"""A conversation with a customer: its messages, what they cite, what was told of it, its handover and its outcome.

All of one conversation's rows are written under the lock of its row in `sessions`, which gives them their numbers.
"""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, false, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core.clock import now
from app.models.base import Base, Identified, Numbered, Stamped, one_of


class SessionStatus(StrEnum):
    OPEN = "open"
    ESCALATED = "escalated"
    RESOLVED = "resolved"


class ChannelName(StrEnum):
    WEB = "web"
    API = "api"
    EMAIL = "email"


class Speaker(StrEnum):
    CUSTOMER = "customer"
    ASSISTANT = "assistant"
    AGENT = "agent"
    SYSTEM = "system"


class Handling(StrEnum):
    """What became of a customer's message. Until it has one, a job is at work on it."""

    ANSWERED = "answered"
    HANDED_OVER = "handed_over"
    FORWARDED = "forwarded"
    CLOSED = "closed"


class Staleness(StrEnum):
    """Why a citation no longer holds as it was sent."""

    CHANGED = "changed"
    DELETED = "deleted"
    NOT_ALLOWED = "not_allowed"


class ImpossibleMove(ValueError):
    def __init__(self, current: str, wanted: str) -> None:
        super().__init__(f"A conversation that is {current} cannot become {wanted}.")


class Conversation(Identified, Stamped, Base):
    """`open → escalated → resolved`, or at once `open → resolved`; never back."""

    __tablename__ = "sessions"
    __table_args__ = (
        one_of("status", SessionStatus),
        one_of("channel", ChannelName),
        CheckConstraint("status <> 'escalated' OR ticket_id IS NOT NULL", name="escalated_has_ticket"),
        CheckConstraint("(status = 'resolved') = (resolved_at IS NOT NULL)", name="resolved_has_time"),
        CheckConstraint("(ticket_id IS NULL) = (reason IS NULL)", name="handed_over_for_a_reason"),
        Index("uq_sessions_ticket_id", "ticket_id", unique=True),
        Index("ix_sessions_customer_id_created_at_id", "customer_id", "created_at", "id"),
        Index("ix_sessions_created_at_id", "created_at", "id"),
        Index("ix_sessions_followed", "followed_at", postgresql_where=text("status = 'escalated'")),
        Index("ix_sessions_by_email", "updated_at", postgresql_where=text("channel = 'email'")),
    )

    customer_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    channel: Mapped[str] = mapped_column(String(20))
    status: Mapped[str] = mapped_column(String(20), default=SessionStatus.OPEN)
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("tickets.id"))
    reason: Mapped[str | None] = mapped_column(String(40))
    summary: Mapped[str] = mapped_column(Text, default="")
    # What a model made of the messages up to position `recap_until`; empty where there is nothing of the kind.
    recap_text: Mapped[str] = mapped_column(Text, default="", server_default="")
    recap_until: Mapped[int] = mapped_column(default=0, server_default="0")
    recap_model: Mapped[str | None] = mapped_column(String(200))
    recap_config: Mapped[int | None]
    # Rises with every change of it: who began before the last one changes nothing.
    recap_revision: Mapped[int] = mapped_column(default=0, server_default="0")
    messages: Mapped[int] = mapped_column(default=0)
    events: Mapped[int] = mapped_column(default=0)
    # Public comments of the ticket up to this one are in the conversation.
    comments_until: Mapped[int] = mapped_column(BigInteger, default=0)
    # The ticket's `updated_at` when it was last looked at.
    followed_at: Mapped[datetime | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    resolved_at: Mapped[datetime | None]

    def escalate(self, *, ticket_id: int, reason: str) -> None:
        """With a person from now on. An escalated one gets another ticket so. Raises ImpossibleMove."""
        if self.status == SessionStatus.RESOLVED:
            raise ImpossibleMove(self.status, SessionStatus.ESCALATED)
        self.status, self.ticket_id, self.reason = SessionStatus.ESCALATED, ticket_id, reason
        self.comments_until, self.followed_at, self.updated_at = 0, None, now()

    def resolve(self) -> None:
        """Raises ImpossibleMove."""
        if self.status == SessionStatus.RESOLVED:
            raise ImpossibleMove(self.status, SessionStatus.RESOLVED)
        self.status, self.resolved_at, self.updated_at = SessionStatus.RESOLVED, now(), now()

    def sum_up(self, text: str, *, until: int, model: str | None, config: int | None) -> None:
        """Another recap, or with an empty text none any more."""
        self.recap_text, self.recap_until, self.recap_model, self.recap_config = text, until, model, config
        self.recap_revision += 1

    def next_position(self) -> int:
        self.messages += 1
        self.updated_at = now()
        return self.messages

    def next_number(self) -> int:
        self.events += 1
        return self.events


class Message(Identified, Stamped, Base):
    __tablename__ = "messages"
    __table_args__ = (
        one_of("role", Speaker),
        one_of("handled_as", Handling),
        CheckConstraint("role = 'customer' OR handled_as IS NULL", name="only_customers_are_handled"),
        UniqueConstraint("session_id", "position"),
        # What is sent again by a client or channel, or comes back from the ticket, is known.
        UniqueConstraint("session_id", "source_id"),
        UniqueConstraint("comment_id"),
        # Nothing is answered twice.
        UniqueConstraint("reply_to"),
        Index("ix_messages_waiting", "session_id", "position", postgresql_where=text(
            "role = 'customer' AND handled_as IS NULL"
        )),
    )  # fmt: skip

    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"))
    position: Mapped[int]
    role: Mapped[str] = mapped_column(String(20))
    content: Mapped[str] = mapped_column(Text)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    reason: Mapped[str | None] = mapped_column(String(40))
    reply_to: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("messages.id"))
    source_id: Mapped[str | None] = mapped_column(String(300))
    comment_id: Mapped[int | None] = mapped_column(ForeignKey("ticket_comments.id", ondelete="SET NULL"))
    handled_as: Mapped[str | None] = mapped_column(String(20))
    job_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("jobs.id"))
    # Whoever wrote it is only claimed, as in a mail: it is answered from what is public.
    unproven: Mapped[bool] = mapped_column(default=False, server_default=false())
    # Of an answer: what the gate measured, who wrote it, and by which thresholds it passed.
    signals: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    model: Mapped[str | None] = mapped_column(String(200))
    thresholds_version: Mapped[int | None]


class MessageCitation(Numbered, Base):
    """Where a sentence of an answer stands. No foreign key to the document: it may be deleted."""

    __tablename__ = "message_citations"
    __table_args__ = (
        one_of("stale", Staleness),
        Index("ix_message_citations_message_id_id", "message_id", "id"),
        Index("ix_message_citations_document_id", "document_id"),
    )

    message_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"))
    sentence: Mapped[int]
    document_id: Mapped[uuid.UUID]
    version: Mapped[int]
    chunk_id: Mapped[str] = mapped_column(String(50))
    start: Mapped[int]
    end: Mapped[int]
    title: Mapped[str] = mapped_column(String(300))
    uri: Mapped[str | None] = mapped_column(String(2000))
    quote: Mapped[str] = mapped_column(Text)
    stale: Mapped[str | None] = mapped_column(String(20))


class SessionEvent(Base):
    """What watchers are told, numbered within the conversation without a gap: the memory behind its stream."""

    __tablename__ = "session_events"

    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    type: Mapped[str] = mapped_column(String(30))
    # Of a message: its own row is the content.
    message_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"))
    data: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Escalation(Numbered, Stamped, Base):
    """A handover as it was made. `event` is its cause: the same cause hands over once."""

    __tablename__ = "escalations"
    __table_args__ = (
        UniqueConstraint("session_id", "event"),
        Index("ix_escalations_ticket_id", "ticket_id"),
        Index("ix_escalations_waiting", "due_at", postgresql_where=text(
            "answered_at IS NULL AND breached_at IS NULL"
        )),
    )  # fmt: skip

    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"))
    event: Mapped[str] = mapped_column(String(300))
    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id", ondelete="CASCADE"))
    reason: Mapped[str] = mapped_column(String(40))
    note: Mapped[str | None] = mapped_column(Text)
    summary: Mapped[str] = mapped_column(Text)
    transcript: Mapped[list[Any]] = mapped_column(JSONB)
    evidence: Mapped[dict[str, Any]] = mapped_column(JSONB)
    team: Mapped[str | None] = mapped_column(String(50))
    priority: Mapped[str] = mapped_column(String(20))
    due_at: Mapped[datetime]
    # When a person first said something; and when it was seen that nobody had by the time it was due.
    answered_at: Mapped[datetime | None]
    breached_at: Mapped[datetime | None]


class Case(Stamped, Base):
    """How a conversation ended: what others may learn from it."""

    __tablename__ = "cases"

    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True)
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("tickets.id"))
    summary: Mapped[str] = mapped_column(Text)
    resolution: Mapped[str | None] = mapped_column(Text)
    references: Mapped[list[Any]] = mapped_column(JSONB)
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text))
    # The document that makes it findable; none when there was nothing to learn, or its origin was deleted.
    document_id: Mapped[uuid.UUID | None]


class SessionMemory(Base):
    """What the next answer is told of the conversation so far, up to `position`."""

    __tablename__ = "session_memories"

    session_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    position: Mapped[int]
    summary: Mapped[str] = mapped_column(Text)
    turns: Mapped[list[Any]] = mapped_column(JSONB)
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
