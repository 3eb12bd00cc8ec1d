"""One trace and one correlation id from the request to the last thing that it leads to."""

import asyncio

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from sqlalchemy import select

from app.core.resources import Resources
from app.models.job import Job
from app.models.outbox import OutboxRow
from tests.telemetry.conftest import Lines, Road, Tree

REPORT = "The checkout fails with ERR_PAYMENT_504 since this morning, version 4.2.1."
TRACE = "0af7651916cd43dd8448eb211c80319c"


async def correlation_ids(resources: Resources) -> dict[str, set[str]]:
    """By event type, and of the jobs, as they are written down."""
    async with resources.db.session() as db:
        found: dict[str, set[str]] = {}
        for row in (await db.execute(select(OutboxRow))).scalars():
            found.setdefault(row.type, set()).add(row.carrier.get("correlation_id", ""))
        found["job"] = {job.carrier.get("correlation_id", "") for job in (await db.execute(select(Job))).scalars()}
    return found


async def test_a_reported_problem_is_one_trace_from_the_request_to_the_tool(
    moving: Road, spans: InMemorySpanExporter, lines: Lines
) -> None:
    answer = await moving.api.post(
        "/api/v1/agent/create-ticket",
        json={"user_input": REPORT},
        headers={
            **moving.person.headers,
            "X-Request-ID": "the-request",
            "traceparent": f"00-{TRACE}-b7ad6b7169203331-01",
        },
    )
    assert answer.status_code == 201, answer.text
    assert answer.headers["X-Request-ID"] == "the-request"

    # The relay tells of a delivery after it has committed it, which may be after the answer was sent.
    async with asyncio.timeout(60):
        # There is nothing to wait on but the lines themselves.
        while "ticket.created" not in [line["event_type"] for line in lines.of("event_delivered")]:  # noqa: ASYNC110
            await asyncio.sleep(0.02)

    tree = Tree(spans.get_finished_spans())
    run = ["POST /api/v1/agent/create-ticket", "outbox job.due", "task agents.run", "agent customer_support"]
    made = [*run, "mcp.call create_ticket", "mcp.tool create_ticket"]
    assert tree.road("mcp.tool create_ticket") == made
    assert tree.road("mcp.tool categorize_issue") == [*run, "mcp.call categorize_issue", "mcp.tool categorize_issue"]
    assert tree.road("outbox ticket.created") == [*made, "outbox ticket.created"]
    assert tree.traces(*made, "outbox ticket.created") == {int(TRACE, 16)}
    kinds = [tree.named(name)[0].kind for name in made]
    assert kinds == [
        SpanKind.SERVER,
        SpanKind.PRODUCER,
        SpanKind.CONSUMER,
        SpanKind.INTERNAL,
        SpanKind.CLIENT,
        SpanKind.SERVER,
    ]
    # A library's own spans would quote arguments and errors.
    assert not [name for name in tree.names() if name.startswith(("tools/", "MCP ", "delegate", "chat"))]

    written = await correlation_ids(moving.resources)
    assert written["job.due"] == written["ticket.created"] == written["job"] == {"the-request"}
    requests = {line["route"]: line for line in lines.of("request") if line["status"] in (200, 201, 202)}
    told = [requests["/api/v1/agent/create-ticket"], requests["/mcp"]]
    told += [line for line in lines.of("event_delivered") if line["event_type"] in ("job.due", "ticket.created")]
    assert len(told) >= 4
    assert {line["correlation_id"] for line in told} == {"the-request"}
    assert {line["trace_id"] for line in told} == {TRACE}


async def test_an_upload_is_one_trace_from_the_request_to_the_recognition(
    road: Road, spans: InMemorySpanExporter, lines: Lines
) -> None:
    answer = await road.api.post(
        "/api/v1/files/upload",
        files={"file": ("notes.txt", b"It fails at nine.", "text/plain")},
        headers={**road.person.headers, "X-Request-ID": "the-upload"},
    )
    assert answer.status_code == 201, answer.text
    await road.settle()

    status = await road.api.get(f"/api/v1/files/{answer.json()['id']}/status", headers=road.person.headers)
    assert status.json()["processing_status"] == "completed"
    tree = Tree(spans.get_finished_spans())
    read = ["POST /api/v1/files/upload", "outbox job.due", "task files.recognise", "recognise"]
    assert tree.road("recognise") == read
    assert len(tree.traces(*read)) == 1
    assert (await correlation_ids(road.resources))["file.ocr_completed"] == {"the-upload"}
    assert tree.road("outbox file.ocr_completed") == [*read[:-1], "outbox file.ocr_completed"]
