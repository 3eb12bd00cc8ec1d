"""What load balancers and the person on call are told."""

import socket

import httpx2
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from app.core.clock import now
from app.core.metrics import JOB_SECONDS
from app.core.redis import connect
from app.core.resources import Resources
from app.core.settings import Settings
from app.main import create_app
from app.models.job import Job
from app.models.outbox import OutboxRow


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _get(settings: Settings, path: str) -> httpx2.Response:
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client:
            return await client.get(path)


async def test_a_living_process_says_so_with_its_version(api: httpx2.AsyncClient) -> None:
    answer = await api.get("/health")
    assert answer.status_code == 200
    assert answer.json() == {"status": "healthy", "version": "0.1.0"}


async def test_the_database_is_connected(api: httpx2.AsyncClient) -> None:
    answer = await api.get("/health/db")
    assert (answer.status_code, answer.json()) == (200, {"database": "connected"})


async def test_a_database_that_is_away_is_503_and_names_no_host(settings: Settings) -> None:
    away = settings.model_copy(
        update={"database_url": SecretStr(f"postgresql://evidesk:hunter2@127.0.0.1:{_closed_port()}/evidesk")}
    )
    answer = await _get(away, "/health/db")
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unreachable")
    answer = await _get(away, "/ready")
    assert answer.status_code == 503
    assert answer.json()["dependencies"]["database"].startswith("unreachable")
    assert "hunter2" not in answer.text


async def test_readiness_tells_each_dependency_and_does_not_wait_for_the_tools(settings: Settings) -> None:
    answer = await _get(settings.model_copy(update={"mcp_port": _closed_port()}), "/ready")
    assert answer.status_code == 200
    dependencies = answer.json()["dependencies"]
    assert dependencies.pop("mcp").startswith("unreachable")
    assert dependencies == {"database": "ok", "schema": "ok", "redis": "ok", "storage": "ok", "scanner": "ok"}


async def test_redis_away_is_not_ready(settings: Settings) -> None:
    away = settings.model_copy(update={"redis_url": SecretStr(f"redis://127.0.0.1:{_closed_port()}/0")})
    answer = await _get(away, "/ready")
    assert answer.status_code == 503
    assert answer.json()["dependencies"]["redis"].startswith("unreachable")
    scraped = await _get(away, "/metrics")
    assert 'evidesk_dependency_up{dependency="redis"} 0.0' in scraped.text


async def test_an_old_schema_is_not_ready(resources: Resources, api: httpx2.AsyncClient) -> None:
    async with resources.db.unit_of_work() as db:
        newest = (await db.execute(text("SELECT version_num FROM alembic_version"))).scalar_one()
        await db.execute(text("UPDATE alembic_version SET version_num = '0003'"))
    try:
        answer = await api.get("/ready")
    finally:
        async with resources.db.unit_of_work() as db:
            await db.execute(text("UPDATE alembic_version SET version_num = :newest"), {"newest": newest})
    assert answer.status_code == 503
    assert "0003" in answer.json()["dependencies"]["schema"]


async def test_prometheus_sees_requests_backlogs_queues_and_job_times(
    resources: Resources, api: httpx2.AsyncClient
) -> None:
    async with resources.db.unit_of_work() as db:
        db.add(Job(kind="recognition", subject="file:1"))
        db.add(OutboxRow(aggregate="ticket:1", type="ticket.created", payload={}))
        db.add(OutboxRow(aggregate="ticket:2", type="ticket.created", payload={}, state="dead", delivered_at=now()))
    await JOB_SECONDS.observe(resources.redis, 0.3, "recognition")
    await JOB_SECONDS.observe(resources.redis, 1000, "recognition")
    await api.get("/health")
    lines = set((await api.get("/metrics")).text.splitlines())
    assert 'evidesk_outbox_rows{kind="outbox",state="pending"} 1.0' in lines
    assert 'evidesk_outbox_rows{kind="outbox",state="dead"} 1.0' in lines
    assert 'evidesk_jobs_rows{kind="recognition",state="queued"} 1.0' in lines
    assert 'evidesk_queue_messages{queue="recognition"} 0.0' in lines
    assert 'evidesk_job_seconds_bucket{kind="recognition",le="0.25"} 0.0' in lines
    assert 'evidesk_job_seconds_bucket{kind="recognition",le="0.5"} 1.0' in lines
    assert 'evidesk_job_seconds_bucket{kind="recognition",le="+Inf"} 2.0' in lines
    assert 'evidesk_job_seconds_sum{kind="recognition"} 1000.3' in lines
    assert any(line.startswith('evidesk_http_request_seconds_count{method="GET",route="/health"') for line in lines)


async def test_a_number_that_cannot_be_counted_does_not_fail_the_work(
    caplog: pytest.LogCaptureFixture,
) -> None:
    redis = connect(f"redis://127.0.0.1:{_closed_port()}/0")
    await JOB_SECONDS.observe(redis, 0.3, "recognition")
    await redis.aclose()
    assert "metric_lost" in caplog.text
