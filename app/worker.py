"""The worker process: Celery with every room's tasks, each imported once, and logs and traces in each of its processes.

`celery -A app.worker worker`, or `evidesk worker`.
"""

from typing import Any

from celery.signals import setup_logging, worker_process_init, worker_process_shutdown

from app.agents import tasks as agent_tasks
from app.conversations import tasks as conversation_tasks
from app.core.settings import get_settings
from app.core.tasks import celery, configure
from app.core.telemetry import configure_logging, configure_tracing
from app.evaluations import tasks as evaluation_tasks
from app.files.tasks import recognition, removal, rendering
from app.integrations import tasks as integration_tasks
from app.knowledge import tasks as knowledge_tasks
from app.learning import tasks as learning_tasks
from app.mail import tasks as mail_tasks
from app.resolutions import tasks as resolution_tasks
from app.tickets import tasks as ticket_tasks

__all__ = ["TASKS", "celery"]

TASKS = (
    agent_tasks,
    conversation_tasks,
    evaluation_tasks,
    recognition,
    removal,
    rendering,
    integration_tasks,
    knowledge_tasks,
    learning_tasks,
    mail_tasks,
    resolution_tasks,
    ticket_tasks,
)
"""The rooms' task modules: importing one makes its tasks known to Celery."""

configure(get_settings())


@setup_logging.connect(weak=False)
def log_our_way(**_: Any) -> None:
    """Celery leaves logging alone when somebody answers this signal; forked children inherit it."""
    configure_logging("worker", get_settings().telemetry)


@worker_process_init.connect(weak=False)
def trace_in_child(**_: Any) -> None:
    """After the fork: an exporter's thread would not survive it."""
    configure_tracing("worker", get_settings().telemetry)


@worker_process_shutdown.connect(weak=False)
def send_last_spans(**_: Any) -> None:
    """A child leaves without running what is registered for its exit."""
    configure_tracing("worker", get_settings().telemetry).shutdown()
