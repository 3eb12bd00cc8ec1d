"""The whole road in one process: API, relay, tasks, the tool server on a port, the local model."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from queue import Empty
from typing import Any

import httpx2
import pytest
from kombu.message import Message
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.agents import tasks as agent_tasks
from app.ai_config.service import ensure_defaults
from app.core import tasks
from app.core.resources import Resources
from app.core.settings import TelemetrySettings
from app.core.tasks import CARRIER_HEADER, QUEUES, celery, configure
from app.core.telemetry import JsonLines, configure_logging, configure_tracing
from app.files.tasks import recognition as file_tasks
from app.relay.delivering import Relay
from app.relay.subscriptions import build
from app.tickets import tasks as ticket_tasks
from tests.factories.people import Person, register
from tests.factories.runs import tool_server

TASK_MODULES = (agent_tasks, file_tasks, ticket_tasks)
"""Imported, they are known to Celery."""


class Tree:
    """Finished spans by name, and who stands above whom."""

    def __init__(self, spans: tuple[ReadableSpan, ...]) -> None:
        self._spans = {found.context.span_id: found for found in spans if found.context is not None}

    def named(self, name: str) -> list[ReadableSpan]:
        return [found for found in self._spans.values() if found.name == name]

    def road(self, name: str) -> list[str]:
        """From the first span of its trace down to the only one of this name."""
        (found,) = self.named(name)
        road: list[str] = []
        at: ReadableSpan | None = found
        while at is not None:
            road.insert(0, at.name)
            at = self._spans.get(at.parent.span_id) if at.parent is not None else None
        return road

    def names(self) -> set[str]:
        return {found.name for found in self._spans.values()}

    def traces(self, *names: str) -> set[int]:
        found = [one for name in names for one in self.named(name)]
        assert len(found) >= len(names)
        return {one.context.trace_id for one in found if one.context is not None}


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    configure_tracing("test", TelemetrySettings()).add_span_processor(SimpleSpanProcessor(exporter))
    yield exporter
    exporter.shutdown()


@dataclass
class Lines:
    """What our handler would have written: rendered, and as documents."""

    raw: list[str] = field(default_factory=list)

    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.raw]

    def of(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.documents() if line["event"] == event]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Lines:
    """Every line that any service in this process writes, with our loggers at DEBUG and libraries at INFO."""
    kept = Lines()

    def emit(handler: JsonLines, record: logging.LogRecord) -> None:
        kept.raw.append(handler.format(record))

    monkeypatch.setattr(JsonLines, "emit", emit)
    configure_logging("test", TelemetrySettings(log_level="DEBUG"))
    return kept


@dataclass
class Road:
    api: httpx2.AsyncClient
    resources: Resources
    person: Person
    relay: Relay
    stopping: bool = False

    async def keep_moving(self) -> None:
        while not self.stopping:
            if not (await self.relay.deliver_batch()).claimed and not await self.work():
                await asyncio.sleep(0.01)

    async def work(self) -> int:
        """What lies in the broker, each with the headers it came with, as a worker's message handler does."""
        messages = await asyncio.to_thread(self._fetch)
        for message in messages:
            headers: dict[str, Any] = message.headers
            args, _kwargs, _embed = message.payload
            carrier = {CARRIER_HEADER: headers[CARRIER_HEADER]}
            await asyncio.to_thread(celery.tasks[headers["task"]].apply, args=args, headers=carrier)
        return len(messages)

    async def settle(self) -> None:
        """Until nothing is under way. Not while `keep_moving` runs."""
        while (await self.relay.deliver_batch()).claimed or await self.work():
            pass

    def _fetch(self) -> list[Message]:
        fetched: list[Message] = []
        with celery.connection_for_read() as connection:
            for name in QUEUES:
                with connection.SimpleQueue(name) as queue, contextlib.suppress(Empty):
                    while True:
                        message = queue.get_nowait()
                        message.ack()
                        fetched.append(message)
        return fetched


@pytest.fixture
async def road(resources: Resources, api: httpx2.AsyncClient) -> AsyncIterator[Road]:
    async with resources.db.unit_of_work() as db:
        await ensure_defaults(db, resources.settings)
    person = await register(resources)
    async with tool_server(resources) as equipped, contextlib.aclosing(Relay(equipped, build())) as relay:
        configure(equipped.settings)
        try:
            yield Road(api, equipped, person, relay)
        finally:
            await asyncio.to_thread(tasks.close_process)
            await asyncio.to_thread(file_tasks.close_process)


@pytest.fixture
async def moving(road: Road) -> AsyncIterator[Road]:
    moving = asyncio.create_task(road.keep_moving())
    try:
        yield road
    finally:
        # Not cancelled: a task in its thread would go on, on the loop that is closed next.
        road.stopping = True
        await moving
