"""The product's worker with knowledge alone: the other rooms take long to load."""

from celery.signals import setup_logging

from app.core.settings import get_settings
from app.core.tasks import QUEUES, celery, configure
from app.core.telemetry import configure_logging
from app.knowledge import tasks
from app.knowledge.service import reembedding

TASKS = (tasks,)
BATCH = 2
"""Instead of what is worth a request: a few passages make several."""

if __name__ == "__main__":
    settings = get_settings()
    reembedding.BATCH = BATCH
    configure(settings)
    setup_logging.connect(lambda **_: configure_logging("worker", settings.telemetry), weak=False)
    concurrency = str(settings.jobs.worker_concurrency)
    celery.worker_main(
        ["worker", "-Q", ",".join(QUEUES), "-c", concurrency, "-l", "INFO", "--without-gossip", "--without-mingle"]
    )
