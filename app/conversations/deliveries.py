"""What follows from events, of conversations and of what they depend on. Only translates."""

from app.conversations import tasks
from app.conversations.channels import CHANNELS
from app.conversations.events import SessionChanged, SessionEscalated
from app.core.tasks import TaskCall
from app.outbox.deliveries import Delivery
from app.resolutions import tasks as resolution_tasks
from app.tickets.events import TicketCommentAdded, TicketDeleted, TicketStatusChanged


def to_channel(event: SessionChanged) -> list[Delivery]:
    return CHANNELS[event.channel].deliver(event)


def after_comment(event: TicketCommentAdded) -> list[TaskCall]:
    return [] if event.internal else [tasks.follow.call(event.ticket_id)]


def after_change(event: TicketStatusChanged | TicketDeleted) -> list[TaskCall]:
    return [tasks.follow.call(event.ticket_id)]


def draft_reply(event: SessionEscalated) -> list[TaskCall]:
    """A draft for staff to approve, edit or reject: what they send is a comment, which comes back as a message."""
    return [resolution_tasks.begin.call(event.ticket_id)]
