"""The product's worker and relay with files alone (`ROLE=worker` or `relay`): the other rooms take long to load."""

import asyncio
import os

from celery.signals import setup_logging

from app.core.settings import get_settings
from app.core.tasks import QUEUES, celery, configure
from app.core.telemetry import configure_logging
from app.files import events
from app.files.service import JOB_KIND, PART_KIND
from app.files.tasks import recognition as tasks
from app.relay.process import run
from app.relay.registry import Subscriptions


def subscriptions() -> Subscriptions:
    made = Subscriptions()
    made.job(JOB_KIND, run=tasks.recognise_file, exhausted=tasks.give_up_file)
    made.job(PART_KIND, run=tasks.recognise_part, exhausted=tasks.give_up_part)
    for event in events.FileEvent.__subclasses__():
        made.on(event)
    return made


if __name__ == "__main__":
    settings = get_settings()
    if os.environ["ROLE"] == "relay":
        asyncio.run(run(settings, subscriptions()))
    configure(settings)
    setup_logging.connect(lambda **_: configure_logging("worker", settings.telemetry), weak=False)
    concurrency = str(settings.jobs.worker_concurrency)
    celery.worker_main(
        ["worker", "-Q", ",".join(QUEUES), "-c", concurrency, "-l", "INFO", "--without-gossip", "--without-mingle"]
    )
