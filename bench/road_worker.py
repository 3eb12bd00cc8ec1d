"""A worker and a relay that know the benchmark's one task: `python -m bench.road_worker worker|relay`.

The event and the task are the benchmark's own; the writer, the relay and the worker are the product's.
"""

import asyncio
import sys

from app.commands.worker import arguments
from app.core.settings import get_settings
from app.core.tasks import celery
from app.relay.process import run
from app.relay.registry import Subscriptions
from bench.marking import Marked, deliveries


def main() -> None:
    settings = get_settings()
    if sys.argv[1] == "relay":
        subscriptions = Subscriptions()
        subscriptions.on(Marked, deliveries)
        asyncio.run(run(settings, subscriptions))
    else:
        celery.worker_main(arguments(settings, []))


if __name__ == "__main__":
    main()
