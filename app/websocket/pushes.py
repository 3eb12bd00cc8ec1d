"""Which event is told to whom, in which message. Only translates: the relay numbers, stores and publishes."""

from app.outbox.deliveries import Push
from app.tickets import events as tickets
from app.websocket.channels import ticket_channel
from app.websocket.messages import (
    AiCategorizationComplete,
    CategorizationData,
    Notification,
    TicketAssigned,
    TicketAssignedData,
    TicketCommentAdded,
    TicketCommentData,
    TicketStatusData,
    TicketStatusUpdate,
)


def ticket_status_changed(event: tickets.TicketStatusChanged) -> list[Push]:
    data = TicketStatusData(
        ticket_id=event.ticket_id, status=event.status, updated_by=event.updated_by, timestamp=event.timestamp
    )
    return _to_ticket(event.ticket_id, TicketStatusUpdate(data=data))


def ticket_assigned(event: tickets.TicketAssigned) -> list[Push]:
    data = TicketAssignedData(
        ticket_id=event.ticket_id,
        assigned_to=event.assigned_to,
        assigned_by=event.assigned_by,
        timestamp=event.timestamp,
    )
    return _to_ticket(event.ticket_id, TicketAssigned(data=data))


def ticket_comment_added(event: tickets.TicketCommentAdded) -> list[Push]:
    """An internal comment is for the staff alone."""
    data = TicketCommentData(
        ticket_id=event.ticket_id,
        comment_id=event.comment_id,
        author=event.author,
        content=event.content,
        timestamp=event.timestamp,
    )
    return _to_ticket(event.ticket_id, TicketCommentAdded(data=data), internal=event.internal)


def ticket_categorised(event: tickets.TicketCategorised) -> list[Push]:
    data = CategorizationData(
        ticket_id=event.ticket_id,
        category=event.category,
        priority=event.priority,
        confidence=event.confidence,
        timestamp=event.timestamp,
    )
    return _to_ticket(event.ticket_id, AiCategorizationComplete(data=data))


def _to_ticket(ticket_id: int, message: Notification, *, internal: bool = False) -> list[Push]:
    audiences = (True,) if internal else (False, True)
    return [_push(ticket_channel(ticket_id, staff=staff), message) for staff in audiences]


def _push(channel: str, message: Notification) -> Push:
    return Push(channel, message.protocol, message.type, message.data.model_dump(mode="json"))
