"""Celery for async functions: one event loop and one set of resources per worker process.

A task takes ids and opens its own unit of work. What must not be lost is a row (a job, an outbox event); the message
in the broker is only a knock on the door, may come twice, and may come to nothing.
"""

import asyncio
import contextvars
import os
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from celery import Celery
from celery import Task as CeleryTask
from celery.exceptions import Reject
from celery.signals import worker_process_shutdown, worker_shutdown
from kombu import Exchange, Queue
from opentelemetry.trace import SpanKind

from app.core.backoff import doubled, spread
from app.core.resources import NotConfigured, Resources, open_resources
from app.core.settings import Settings
from app.core.telemetry import continued, get_logger, span

log = get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
Id = int | str | uuid.UUID

DEFAULT_QUEUE = "default"
RECOGNITION_QUEUE = "recognition"
PARTS_QUEUE = "parts"
"""Of long recordings. A worker takes from its queues in turn: no screenshot waits for an hour of speech."""
QUEUES = (DEFAULT_QUEUE, RECOGNITION_QUEUE, PARTS_QUEUE)

CARRIER_HEADER = "evidesk_carrier"
VISIBILITY_SECONDS = 600
"""After so long Redis gives an unacknowledged message to another worker; a job's claim makes that harmless."""
HARD_LIMIT_GRACE_SECONDS = 15
"""A task past its limit is cancelled; one that blocks the loop for so much longer is killed with its process."""
RETRY_FIRST_SECONDS = 1.0
RETRY_MOST_SECONDS = 120.0

celery = Celery("evidesk", set_as_current=False)


class TaskTimedOut(Exception):
    """The task's time limit passed; what it had open was rolled back."""


@dataclass(frozen=True, slots=True)
class TaskCall:
    """A task with its arguments, as it is handed to the broker. `expires`: seconds after which it is not worth it."""

    name: str
    queue: str
    args: tuple[Id, ...]
    expires: float | None = None


@dataclass(frozen=True, slots=True)
class Task(Generic[P]):
    name: str
    queue: str
    handler: Callable[Concatenate[Resources, P], Awaitable[None]]
    expires: float | None = None

    def call(self, *args: P.args, **kwargs: P.kwargs) -> TaskCall:
        """What the outbox delivers. Ids only, by position. Raises TypeError for anything else."""
        if kwargs or not all(isinstance(arg, int | str | uuid.UUID) for arg in args):
            raise TypeError(f"{self.name} takes ids by position")
        return TaskCall(self.name, self.queue, args, self.expires)  # type: ignore[arg-type] # checked above


def configure(settings: Settings) -> None:
    """Point Celery to the broker. Once a process, before anything is published or run."""
    if settings.redis_url is None:
        raise NotConfigured("Set REDIS_URL: it is Celery's broker.")
    _process.settings = settings
    celery.conf.update(
        broker_url=settings.redis_url.get_secret_value(),
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "visibility_timeout": VISIBILITY_SECONDS,
            "socket_connect_timeout": 2.0,
            "socket_keepalive": True,
        },
        task_queues=[Queue(name, Exchange(name), routing_key=name) for name in QUEUES],
        task_default_queue=DEFAULT_QUEUE,
        task_create_missing_queues=False,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_publish_retry=False,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        enable_utc=True,
        timezone="UTC",
    )


def task(
    *,
    name: str,
    queue: str = DEFAULT_QUEUE,
    time_limit: float = 60.0,
    expires: float | None = None,
    max_retries: int = 5,
    retry_on: tuple[type[Exception], ...] = (),
) -> Callable[[Callable[Concatenate[Resources, P], Awaitable[None]]], Task[P]]:
    """Make a Celery task of an async function that takes `Resources` and ids.

    `time_limit` is in seconds. Errors in `retry_on` are tried again up to `max_retries` times with a growing, jittered
    delay; any other error ends the task. Work that must not be lost is a job, which has retries of its own.
    """
    if queue not in QUEUES:
        raise ValueError(f"unknown queue {queue!r}")

    def decorate(handler: Callable[Concatenate[Resources, P], Awaitable[None]]) -> Task[P]:
        def run(self: "CeleryTask[Any, Any]", *args: Id) -> None:
            carrier: Mapping[str, str] = (self.request.headers or {}).get(CARRIER_HEADER) or {}
            try:
                _process.run(lambda resources: _carry_out(name, time_limit, carrier, handler(resources, *args)))  # type: ignore[call-arg, arg-type] # ids as `call` took them
            except retry_on as error:
                with continued(carrier):
                    log.warning("task_retried", task=name, error=type(error).__name__, retries=self.request.retries)
                try:
                    raise self.retry(exc=error, countdown=retry_delay(self.request.retries), max_retries=max_retries)
                except Reject:
                    # The broker is away: the message goes back to it, as far as it left it.
                    raise Reject(error, requeue=True) from error

        celery.task(name=name, bind=True, time_limit=int(time_limit + HARD_LIMIT_GRACE_SECONDS))(run)
        return Task(name, queue, handler, expires)

    return decorate


def retry_delay(retries: int) -> float:
    """Seconds before try number `retries` + 2."""
    return spread(doubled(retries + 1, first=RETRY_FIRST_SECONDS, most=RETRY_MOST_SECONDS))


async def _carry_out(name: str, seconds: float, carrier: Mapping[str, str], work: Awaitable[None]) -> None:
    with continued(carrier), span(f"task {name}", kind=SpanKind.CONSUMER):
        try:
            async with asyncio.timeout(seconds) as limit:
                await work
        except TimeoutError as error:
            if limit.expired():
                raise TaskTimedOut(f"{name} took longer than {seconds:g} s") from error
            raise


class _WorkerProcess:
    """The event loop and resources of this process, made at the first task; a fork starts with none of its parent's."""

    def __init__(self) -> None:
        self.settings: Settings | None = None
        self._pid: int | None = None
        self._runner: asyncio.Runner | None = None
        self._open = AsyncExitStack()
        self._resources: Resources | None = None
        self.inherited: list[tuple[asyncio.Runner, AsyncExitStack, Resources | None]] = []
        """A parent's loop, never to be collected here: its end would take the parent's wake-up pipe along."""

    def run(self, work: Callable[[Resources], Awaitable[None]]) -> None:
        runner, resources = self._ready()
        # A context of its own, so that no task sees the correlation id of the one before.
        runner.run(_awaited(work, resources), context=contextvars.copy_context())

    def close(self) -> None:
        if self._runner is not None and self._pid == os.getpid():
            self._runner.run(self._open.aclose())
            self._runner.close()
        self._runner = self._resources = self._pid = None

    def _ready(self) -> tuple[asyncio.Runner, Resources]:
        if self._pid != os.getpid() or self._runner is None or self._resources is None:
            if self.settings is None:
                raise NotConfigured("core.tasks.configure(settings) comes before the first task.")
            if self._runner is not None:
                self.inherited.append((self._runner, self._open, self._resources))
            self._pid, self._runner, self._open = os.getpid(), asyncio.Runner(), AsyncExitStack()
            self._resources = self._runner.run(self._open.enter_async_context(open_resources(self.settings)))
        return self._runner, self._resources


async def _awaited(work: Callable[[Resources], Awaitable[None]], resources: Resources) -> None:
    await work(resources)


_process = _WorkerProcess()


@worker_process_shutdown.connect(weak=False)
@worker_shutdown.connect(weak=False)
def close_process(**_: Any) -> None:
    """Close what the process holds open: each prefork child's, and the main process's when it runs tasks itself."""
    _process.close()
