"""A ticket, what was said on it, what happened to it. Tables guard themselves: transitions are methods here."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from pgvector.sqlalchemy import Vector
from sqlalchemy import CheckConstraint, Computed, ForeignKey, Index, String, Text, func
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from app.core.clock import now
from app.models.base import Base, Numbered, Stamped, one_of

EMBEDDING_DIMENSIONS = 384


class TicketStatus(StrEnum):
    OPEN = "open"
    IN_PROGRESS = "in_progress"
    PENDING = "pending"
    RESOLVED = "resolved"
    CLOSED = "closed"


class Priority(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Visibility(StrEnum):
    PUBLIC = "public"
    INTERNAL = "internal"


class ImpossibleTransition(ValueError):
    def __init__(self, current: str, wanted: str) -> None:
        super().__init__(f"A ticket that is {current} cannot become {wanted}.")


_ALIVE = {TicketStatus.OPEN, TicketStatus.IN_PROGRESS, TicketStatus.PENDING}


class Ticket(Numbered, Stamped, Base):
    __tablename__ = "tickets"
    __table_args__ = (
        one_of("status", TicketStatus),
        one_of("priority", Priority),
        CheckConstraint("version >= 1", name="version_positive"),
        CheckConstraint("confidence BETWEEN 0 AND 1", name="confidence_share"),
        CheckConstraint("(status IN ('resolved', 'closed')) = (resolved_at IS NOT NULL)", name="resolved_has_time"),
        Index("ix_tickets_search", "search", postgresql_using="gin"),
        Index("ix_tickets_tags", "tags", postgresql_using="gin"),
        Index("ix_tickets_requester_id_created_at_id", "requester_id", "created_at", "id"),
        Index("ix_tickets_assignee_id_created_at_id", "assignee_id", "created_at", "id"),
        Index("ix_tickets_status_id", "status", "id"),
        Index("ix_tickets_created_at_id", "created_at", "id"),
        Index("ix_tickets_updated_at_id", "updated_at", "id"),
    )

    TRANSITIONS: ClassVar[dict[TicketStatus, set[TicketStatus]]] = {
        TicketStatus.OPEN: {TicketStatus.IN_PROGRESS, TicketStatus.PENDING, TicketStatus.RESOLVED, TicketStatus.CLOSED},
        TicketStatus.IN_PROGRESS: {
            TicketStatus.OPEN,
            TicketStatus.PENDING,
            TicketStatus.RESOLVED,
            TicketStatus.CLOSED,
        },
        TicketStatus.PENDING: {
            TicketStatus.OPEN,
            TicketStatus.IN_PROGRESS,
            TicketStatus.RESOLVED,
            TicketStatus.CLOSED,
        },
        # A resolved ticket may be reopened; a closed one is history, and a new problem is a new ticket.
        TicketStatus.RESOLVED: {TicketStatus.OPEN, TicketStatus.IN_PROGRESS, TicketStatus.CLOSED},
        TicketStatus.CLOSED: set(),
    }

    title: Mapped[str] = mapped_column(String(300))
    description: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(20), default=TicketStatus.OPEN)
    priority: Mapped[str] = mapped_column(String(20), default=Priority.MEDIUM)
    category: Mapped[str] = mapped_column(String(50), default="general")
    team: Mapped[str | None] = mapped_column(String(50))
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list)
    confidence: Mapped[float | None]
    requester_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    assignee_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    version: Mapped[int] = mapped_column(default=1)
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    resolved_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    search: Mapped[Any] = mapped_column(
        TSVECTOR,
        # 'simple' keeps error codes and names as they are, in any language.
        Computed("to_tsvector('simple', title || ' ' || left(description, 200000))", persisted=True),
        deferred=True,
    )

    def move_to(self, status: TicketStatus) -> None:
        """Raises ImpossibleTransition; staying where it is is no transition and always allowed."""
        current = TicketStatus(self.status)
        if status is current:
            return
        if status not in self.TRANSITIONS[current]:
            raise ImpossibleTransition(current, status)
        self.status = status
        if status in _ALIVE:
            self.resolved_at = None
        elif self.resolved_at is None:
            self.resolved_at = now()

    def touch(self) -> None:
        """A new version: whoever edited the one before will be told so."""
        self.version += 1
        self.updated_at = now()

    @property
    def is_closed(self) -> bool:
        return self.status == TicketStatus.CLOSED


class TicketComment(Numbered, Stamped, Base):
    __tablename__ = "ticket_comments"
    __table_args__ = (
        one_of("visibility", Visibility),
        Index("ix_ticket_comments_ticket_id_id", "ticket_id", "id"),
    )

    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id", ondelete="CASCADE"))
    author_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    body: Mapped[str] = mapped_column(Text)
    visibility: Mapped[str] = mapped_column(String(20), default=Visibility.PUBLIC)


class TicketChange(Numbered, Stamped, Base):
    """The timeline: who changed what, from what to what. Rows are only ever added."""

    __tablename__ = "ticket_changes"
    __table_args__ = (Index("ix_ticket_changes_ticket_id_id", "ticket_id", "id"),)

    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id", ondelete="CASCADE"))
    # None: the desk itself acted, on nobody's behalf.
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    action: Mapped[str] = mapped_column(String(50))
    version: Mapped[int]
    changes: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    internal: Mapped[bool] = mapped_column(default=False)


class TicketEmbedding(Base):
    """The ticket's text as a vector, made by a worker after the ticket is stored."""

    __tablename__ = "ticket_embeddings"
    __table_args__ = (
        Index(
            "ix_ticket_embeddings_vector",
            "vector",
            postgresql_using="hnsw",
            postgresql_ops={"vector": "vector_cosine_ops"},
        ),
    )

    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id", ondelete="CASCADE"), primary_key=True)
    model: Mapped[str] = mapped_column(String(100))
    ticket_version: Mapped[int]
    vector: Mapped[Any] = mapped_column(Vector(EMBEDDING_DIMENSIONS))
