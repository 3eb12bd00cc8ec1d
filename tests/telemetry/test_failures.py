"""Failures quote what they failed on; no log line and no span does."""

import asyncio
import socket

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import BaseModel
from sqlalchemy import text
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from app.core.resources import Resources
from app.core.tasks import celery, configure, task
from app.models.outbox import OutboxRow
from tests.telemetry.conftest import Lines, Road
from tests.websocket.conftest import until

MARKER = "marker-of-the-content"
CARRIER = {"correlation_id": "the-cause"}


class Narrow(BaseModel):
    number: int


async def fail_in_validation() -> None:
    Narrow.model_validate({"number": MARKER})


async def fail_in_database(resources: Resources) -> None:
    async with resources.db.unit_of_work() as db:
        await db.execute(text("SELECT CAST(:given AS integer)"), {"given": MARKER})


@task(name="test.failing_with_content")
async def failing(resources: Resources, how: str) -> None:
    if how == "database":
        await fail_in_database(resources)
    await fail_in_validation()


@task(name="test.retried_with_content", retry_on=(ValueError,), max_retries=1)
async def retried(_resources: Resources) -> None:
    raise ValueError(MARKER)


def quoting(lines: Lines, spans: InMemorySpanExporter) -> list[str]:
    told = lines.raw + [span.to_json() for span in spans.get_finished_spans()]
    return [line for line in told if MARKER in line]


@pytest.mark.parametrize("how", ["validation", "database"])
async def test_a_request_that_fails_unforeseen(
    how: str, app: FastAPI, api: httpx2.AsyncClient, resources: Resources, lines: Lines, spans: InMemorySpanExporter
) -> None:
    async def fail() -> None:
        await (fail_in_validation() if how == "validation" else fail_in_database(resources))

    app.add_api_route("/failing", fail)
    answer = await api.get("/failing", headers={"X-Request-ID": "the-failure"})
    assert (answer.status_code, answer.json()["request_id"]) == (500, "the-failure")
    assert MARKER not in answer.text
    (line,) = lines.of("unhandled")
    assert line["correlation_id"] == "the-failure"
    assert f"fail_in_{how}" in line["exception"]
    assert line["error"] in line["exception"]
    assert quoting(lines, spans) == []


async def test_a_task_that_fails(resources: Resources, lines: Lines, spans: InMemorySpanExporter) -> None:
    configure(resources.settings)
    for name, args in (
        ("test.failing_with_content", ("validation",)),
        ("test.failing_with_content", ("database",)),
        ("test.retried_with_content", ()),
    ):
        await asyncio.to_thread(celery.tasks[name].apply, args=args)
    told = [line for line in lines.documents() if line["logger"] == "celery.app.trace"]
    assert len(told) >= 3
    assert [line["exception"] for line in told if "exception" in line]
    assert quoting(lines, spans) == []


async def test_an_event_that_cannot_be_delivered(road: Road, lines: Lines, spans: InMemorySpanExporter) -> None:
    async with road.resources.db.unit_of_work() as db:
        db.add(OutboxRow(aggregate="ticket:1", type="ticket.updated", payload={"ticket_id": MARKER}, carrier=CARRIER))
    assert (await road.relay.deliver_batch()).failed == 1
    (line,) = lines.of("event_failed")
    assert (line["event_type"], line["correlation_id"]) == ("ticket.updated", "the-cause")
    assert quoting(lines, spans) == []


async def test_a_socket_that_fails_unforeseen(app: FastAPI, lines: Lines, spans: InMemorySpanExporter) -> None:
    async def fail(websocket: WebSocket) -> None:
        await websocket.accept()
        await fail_in_validation()

    app.add_api_websocket_route("/failing", fail)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", ws="websockets-sansio"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await until(lambda: server.started)
        async with connect(f"ws://127.0.0.1:{listener.getsockname()[1]}/failing", proxy=None) as client:
            with pytest.raises(ConnectionClosed):
                await client.recv()
        server.should_exit = True
        await serving
    assert [line for line in lines.documents() if "fail_in_validation" in line.get("exception", "")]
    assert quoting(lines, spans) == []
