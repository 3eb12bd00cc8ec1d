"""What this room makes of other rooms' events."""

from app.agents.events import RunCompleted, RunFailed
from app.core.tasks import TaskCall
from app.resolutions import tasks
from app.resolutions.service.advancing import CHAIN
from app.tickets.events import TicketCreated


def after_run(event: RunCompleted | RunFailed) -> list[TaskCall]:
    """A step may have ended."""
    return [tasks.run_ended.call(event.run_id)] if event.operation in CHAIN else []


def after_creation(event: TicketCreated) -> list[TaskCall]:
    return [tasks.begin.call(event.ticket_id)]
