"""What a scrape shows after work was done, and what each process counts for itself."""

import math

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from app.core.metrics import REGISTRY
from app.core.resources import Resources
from app.core.settings import Settings
from app.jobs import claims
from app.jobs import service as jobs
from tests.factories import people, tickets
from tests.telemetry.conftest import Road
from tests.websocket.conftest import serve, until


async def scraped(api: httpx2.AsyncClient) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families((await api.get("/metrics")).text)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def labelled(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


async def test_a_file_that_was_read_is_counted_from_its_request_to_its_result(road: Road) -> None:
    before = await scraped(road.api)
    answer = await road.api.post(
        "/api/v1/files/upload",
        files={"file": ("notes.txt", b"It fails at nine.", "text/plain")},
        headers=road.person.headers,
    )
    assert answer.status_code == 201
    waiting = await scraped(road.api)
    assert waiting[labelled("evidesk_jobs_rows", kind="files.recognise", state="queued")] == 1
    assert waiting[labelled("evidesk_outbox_rows", kind="outbox", state="pending")] >= 1
    assert waiting[labelled("evidesk_outbox_oldest_seconds", kind="outbox", state="pending")] > 0
    await road.relay.deliver_batch()
    assert (await scraped(road.api))[labelled("evidesk_queue_messages", queue="recognition")] == 1
    await road.settle()

    after = await scraped(road.api)
    assert after[labelled("evidesk_queue_messages", queue="recognition")] == 0
    assert after[labelled("evidesk_outbox_rows", kind="outbox", state="pending")] == 0
    assert after[labelled("evidesk_job_seconds_count", kind="files.recognise")] == 1
    assert 0 < after[labelled("evidesk_job_seconds_sum", kind="files.recognise")] < math.inf
    # To recognise it, and to render its preview.
    assert after[labelled("evidesk_outbox_delivery_seconds_count", type="job.due")] == 2
    request = labelled("evidesk_http_request_seconds_count", method="POST", route="/api/v1/files/upload", status="201")
    assert after[request] == before.get(request, 0) + 1


async def test_a_job_that_is_put_aside_has_no_duration(resources: Resources, api: httpx2.AsyncClient) -> None:
    for postponed in (True, False):
        async with resources.db.unit_of_work() as db:
            job_id = jobs.create(db, kind="test.kind", subject="1").id
        async with claims.hold(resources, job_id) as claim:
            assert claim is not None
            async with resources.db.unit_of_work() as db:
                if postponed:
                    await jobs.postpone(db, claim, until=None)
                else:
                    await jobs.succeed(db, claim)
    assert (await scraped(api))[labelled("evidesk_job_seconds_count", kind="test.kind")] == 1


async def test_sockets_and_what_they_are_sent_are_counted(resources: Resources, settings: Settings) -> None:
    def sockets() -> float | None:
        return REGISTRY.get_sample_value("evidesk_websocket_connections")

    def sent() -> float:
        return REGISTRY.get_sample_value("evidesk_websocket_messages_sent_total") or 0

    person = await people.register(resources)
    ticket = await tickets.ticket(resources, person.who)
    before, sent_before = sockets(), sent()
    assert before is not None
    async with serve(settings) as server:
        async with server.connect(person.token) as first, server.connect(person.token):
            await first.ask("subscribe_ticket", ticket_id=ticket.id)
            await until(lambda: sockets() == before + 2)
            await until(lambda: sent() > sent_before)
        await until(lambda: sockets() == before)
