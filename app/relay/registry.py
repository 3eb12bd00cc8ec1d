"""Which deliveries an event leads to. Filled once by `subscriptions.build()`, then only read."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from app.core.schemas import Event
from app.core.tasks import Task
from app.jobs.events import JobDue, JobExhausted
from app.outbox.deliveries import Delivery

E = TypeVar("E", bound=Event)
Handler = Callable[[Any], Iterable[Delivery]]


class UnknownEvent(Exception):
    """An event of a type, or a job of a kind, that nobody registered: an older relay, or a forgotten line."""


@dataclass(frozen=True, slots=True)
class JobKind:
    run: Task[[UUID]]
    exhausted: Task[[UUID]] | None


class Subscriptions:
    def __init__(self) -> None:
        self._types: dict[str, type[Event]] = {}
        self._handlers: dict[str, list[Handler]] = {}
        self._jobs: dict[str, JobKind] = {}
        self.on(JobDue, self._run_job)
        self.on(JobExhausted, self._tell_exhausted)

    def on(self, event: type[E], *handlers: Callable[[E], Iterable[Delivery]]) -> None:
        """Handlers only translate: no reading, no effect. Without any, the event is known and leads to nothing."""
        if self._types.setdefault(event.type, event) is not event:
            raise ValueError(f"two events are called {event.type!r}")
        self._handlers.setdefault(event.type, []).extend(handlers)

    def job(self, kind: str, *, run: Task[[UUID]], exhausted: Task[[UUID]] | None) -> None:
        """`run` gets the job's id whenever one of this kind is due, `exhausted`, if any, when one is given up."""
        if kind in self._jobs:
            raise ValueError(f"two job kinds are called {kind!r}")
        self._jobs[kind] = JobKind(run, exhausted)

    def deliveries(self, type_name: str, payload: Mapping[str, Any]) -> list[Delivery]:
        """Raises UnknownEvent, pydantic's ValidationError, or what a handler raises."""
        event_type = self._types.get(type_name)
        if event_type is None:
            raise UnknownEvent(type_name)
        event = event_type.model_validate(payload)
        return [delivery for handler in self._handlers[type_name] for delivery in handler(event)]

    def _job_kind(self, kind: str) -> JobKind:
        if kind not in self._jobs:
            raise UnknownEvent(f"job kind {kind}")
        return self._jobs[kind]

    def _run_job(self, event: JobDue) -> list[Delivery]:
        return [self._job_kind(event.kind).run.call(event.job_id)]

    def _tell_exhausted(self, event: JobExhausted) -> list[Delivery]:
        exhausted = self._job_kind(event.kind).exhausted
        return [] if exhausted is None else [exhausted.call(event.job_id)]
