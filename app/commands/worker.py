"""The Celery worker, for every queue unless told otherwise."""

import sys

from app.core.settings import Settings, get_settings
from app.worker import celery

QUEUES = "default,recognition"


def arguments(settings: Settings, extra: list[str]) -> list[str]:
    """`extra` comes last, so that it wins: `evidesk worker --queues recognition`."""
    concurrency = str(settings.jobs.worker_concurrency)
    quiet = ["--without-gossip", "--without-mingle"]
    # The banner is no JSON line.
    return ["--quiet", "worker", "--queues", QUEUES, "--concurrency", concurrency, "--loglevel", "INFO", *quiet, *extra]


def main() -> None:
    celery.worker_main(arguments(get_settings(), sys.argv[1:]))


if __name__ == "__main__":
    main()
