"""Every event and what it leads to, in one place. A room adds its lines to `build`; nothing registers itself."""

from app.outbox.registry import Subscriptions
from app.tickets import deliveries as ticket_deliveries
from app.tickets import events as tickets
from app.websocket import pushes


def build() -> Subscriptions:
    subscriptions = Subscriptions()
    _tickets(subscriptions)
    return subscriptions


def _tickets(subscriptions: Subscriptions) -> None:
    subscriptions.on(tickets.TicketCreated, ticket_deliveries.after_creation)
    subscriptions.on(tickets.TicketUpdated, ticket_deliveries.after_update)
    subscriptions.on(tickets.TicketStatusChanged, pushes.ticket_status_changed)
    subscriptions.on(tickets.TicketAssigned, pushes.ticket_assigned)
    subscriptions.on(tickets.TicketCommentAdded, pushes.ticket_comment_added)
    subscriptions.on(tickets.TicketCategorised, pushes.ticket_categorised)
    subscriptions.on(tickets.TicketDeleted)
