"""What can be wrong with an admin's request about the outbox."""

from app.core.errors import Conflict, NotFound


class OutboxEventMissing(NotFound):
    code = "outbox_event_not_found"
    title = "No such event"
    detail = "There is no outbox event of this number; delivered ones are forgotten after a while."


class OutboxEventNotDead(Conflict):
    code = "outbox_event_not_dead"
    title = "The event is not a dead letter"
    detail = "Only an event that was given up can be sent out again; this one is delivered or still on its way."
