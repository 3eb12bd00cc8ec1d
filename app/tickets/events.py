"""What happened to a ticket, as others are told. Small and JSON-simple: who needs more reads the ticket."""

from datetime import datetime
from typing import ClassVar

from pydantic import Field, JsonValue

from app.core.schemas import Event


class TicketEvent(Event):
    ticket_id: int

    @property
    def aggregate(self) -> str:
        return f"ticket:{self.ticket_id}"


class TicketCreated(TicketEvent):
    """`categorise` is true when nobody chose a category, so that one is to be found."""

    type: ClassVar[str] = "ticket.created"
    requester_id: int
    categorise: bool


class TicketUpdated(TicketEvent):
    """Fields other than status and assignee changed; `fields` names them, `changes` gives their new values."""

    type: ClassVar[str] = "ticket.updated"
    version: int
    fields: list[str]
    # Rows that were written before this field had no values in them.
    changes: dict[str, JsonValue] = Field(default_factory=dict)
    updated_by: str
    timestamp: datetime


class TicketStatusChanged(TicketEvent):
    type: ClassVar[str] = "ticket.status_changed"
    status: str
    previous: str
    updated_by: str
    timestamp: datetime


class TicketAssigned(TicketEvent):
    """`assigned_to` is a username, None when the ticket was taken from its assignee."""

    type: ClassVar[str] = "ticket.assigned"
    assigned_to: str | None
    assigned_by: str
    timestamp: datetime


class TicketCommentAdded(TicketEvent):
    """`internal` ones are for the staff alone, and so is this event then."""

    type: ClassVar[str] = "ticket.comment_added"
    comment_id: int
    author: str
    content: str
    internal: bool
    timestamp: datetime


class TicketCategorised(TicketEvent):
    type: ClassVar[str] = "ticket.categorised"
    category: str
    priority: str
    team: str | None
    confidence: float
    timestamp: datetime


class TicketDeleted(TicketEvent):
    type: ClassVar[str] = "ticket.deleted"
    deleted_by: str
    timestamp: datetime
