"""What the desk does about a ticket's events. Who is told of them is `websocket.pushes`' business."""

from app.core.tasks import TaskCall
from app.tickets.events import TicketCreated, TicketUpdated
from app.tickets.tasks import categorise_ticket, embed_ticket

_READ_BY_THE_MODEL = {"title", "description"}


def after_creation(event: TicketCreated) -> list[TaskCall]:
    calls = [embed_ticket.call(event.ticket_id)]
    if event.categorise:
        calls.append(categorise_ticket.call(event.ticket_id))
    return calls


def after_update(event: TicketUpdated) -> list[TaskCall]:
    return [embed_ticket.call(event.ticket_id)] if _READ_BY_THE_MODEL & set(event.fields) else []
