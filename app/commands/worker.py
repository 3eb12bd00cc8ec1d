"""The Celery worker, for every queue unless told otherwise."""

import sys

from celery.apps import worker as celery_worker

from app.core.settings import Settings, get_settings
from app.core.telemetry import configure_logging, get_logger
from app.worker import celery

QUEUES = "default,recognition,parts"

log = get_logger(__name__)


def arguments(settings: Settings, extra: list[str]) -> list[str]:
    """`extra` comes last, so that it wins: `evidesk worker --queues recognition`."""
    concurrency = str(settings.jobs.worker_concurrency)
    quiet = ["--without-gossip", "--without-mingle"]
    # The banner is no JSON line.
    return ["--quiet", "worker", "--queues", QUEUES, "--concurrency", concurrency, "--loglevel", "INFO", *quiet, *extra]


def _say(message: str, _file: object = None) -> None:
    log.info("celery_says", message=message.strip())


def main() -> None:
    settings = get_settings()
    # Celery asks for its logs late; it has warnings to give before. What it says of its end goes round them.
    configure_logging("worker", settings.telemetry)
    celery_worker.safe_say = _say  # type: ignore[attr-defined] # the stubs leave it out
    celery.worker_main(arguments(settings, sys.argv[1:]))


if __name__ == "__main__":
    main()
