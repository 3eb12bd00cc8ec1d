"""A worker as the product runs it, but with this small room: the real ones take long to load."""

from celery.signals import setup_logging

from app.core.settings import get_settings
from app.core.tasks import QUEUES, celery, configure
from app.core.telemetry import configure_logging
from tests.faults import room

TASKS = (room,)
STUCK_SECONDS = 3
"""Instead of the limit and its grace, which are too long to wait for."""

if __name__ == "__main__":
    settings = get_settings()
    configure(settings)
    celery.tasks[room.stuck.name].time_limit = STUCK_SECONDS
    setup_logging.connect(lambda **_: configure_logging("worker", settings.telemetry), weak=False)
    concurrency = str(settings.jobs.worker_concurrency)
    celery.worker_main(
        ["worker", "-Q", ",".join(QUEUES), "-c", concurrency, "-l", "INFO", "--without-gossip", "--without-mingle"]
    )
