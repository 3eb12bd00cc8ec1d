"""The four processes as they are started, watched from outside: what they log, and what they send to a collector."""

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from app.core.resources import Resources
from app.embedded.data_plane import DataPlane
from app.embedded.process import free_port
from tests.faults.site import Site, opened
from tests.telemetry.collector import Collected, collecting

pytestmark = pytest.mark.timeout(400)

SERVICES = {
    "api": "app.commands.api",
    "worker": "app.commands.worker",
    "relay": "app.commands.relay",
    "mcp": "mcp_server",
}
TRACE = "0af7651916cd43dd8448eb211c80319c"
PASSWORD = "marker-password-1"
TOKEN = "marker-token"
REPORT = "The marker-report fails with ERR_PAYMENT_504."
CONTENT = b"marker-content: it fails at nine."
COMMENT = "marker-comment"


@pytest.fixture
async def site(resources: Resources, plane: DataPlane, tmp_path: Path) -> AsyncIterator[Site]:
    async with opened(plane, tmp_path) as made:
        yield made


async def report(client: httpx2.AsyncClient, ws: str) -> list[str]:
    """What a person does who has everything to hide. Returns the secrets that were made on the way."""
    person = {"username": "marker-user", "email": "marker@example.com", "password": PASSWORD}
    assert (await client.post("/api/v1/auth/register", json=person)).status_code == 201
    wrong = {"username": "marker-user", "password": PASSWORD + "-wrong"}
    assert (await client.post("/api/v1/auth/login", json=wrong)).status_code == 401
    right = {"username": "marker-user", "password": PASSWORD}
    login = (await client.post("/api/v1/auth/login", json=right)).json()
    headers = {"Authorization": f"Bearer {login['access_token']}"}
    key = await client.post(
        "/api/v1/users/me/api-keys", json={"name": "k", "scopes": ["tickets:read"]}, headers=headers
    )
    assert key.status_code == 201, key.text

    uploaded = await client.post(
        "/api/v1/files/upload", files={"file": ("marker-name.txt", CONTENT, "text/plain")}, headers=headers
    )
    assert uploaded.status_code == 201, uploaded.text
    made = await client.post(
        "/api/v1/agent/create-ticket",
        json={"user_input": REPORT, "files": [uploaded.json()["id"]]},
        headers={**headers, "X-Request-ID": "the-request", "traceparent": f"00-{TRACE}-b7ad6b7169203331-01"},
    )
    assert made.status_code == 201, made.text
    ticket = f"/api/v1/tickets/{made.json()['ticket_id']}"
    assert (await client.post(f"{ticket}/comments", json={"body": COMMENT}, headers=headers)).status_code == 201

    assert (
        await client.post("/api/v1/tickets", content=b'{"title": "marker-broken', headers=headers)
    ).status_code == 422
    assert (await client.get(f"/api/v1/nowhere?token={TOKEN}")).status_code == 404
    async with connect(f"{ws}/ws?token={login['access_token']}", proxy=None) as socket:
        await socket.send(json.dumps({"type": "subscribe_ticket", "data": {"ticket_id": made.json()["ticket_id"]}}))
        assert json.loads(await socket.recv())["data"]["subscribed"]
        await socket.send('{"type": "marker-type", "data": {"body": "marker-frame"}}')
        await socket.recv()
    for address in (f"/wss?token={TOKEN}", f"/wss?anything={TOKEN}"):
        with pytest.raises(InvalidStatus):
            await connect(ws + address, proxy=None)
    return [login["access_token"], login["refresh_token"], key.json()["key"]]


def documents(log: Path) -> list[dict[str, Any]]:
    """Every line, standard output included; one that is no JSON object fails."""
    found = []
    for line in log.read_text().splitlines():
        document = json.loads(line)
        assert isinstance(document, dict), line
        found.append(document)
    return found


async def test_logs_are_json_without_content_and_spans_of_all_processes_make_one_trace(site: Site) -> None:
    with collecting() as collected:
        telemetry = {
            "EVIDESK_TELEMETRY__LOG_LEVEL": "DEBUG",
            "EVIDESK_TELEMETRY__OTLP_ENDPOINT": collected.address,
            "EVIDESK_MCP_PORT": str(free_port()),
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }
        processes = [site.start(name, module, **telemetry) for name, module in SERVICES.items()]
        base = f"127.0.0.1:{site.settings.port}"
        async with httpx2.AsyncClient(base_url=f"http://{base}", timeout=90) as client:

            async def ready() -> bool:
                with contextlib.suppress(httpx2.TransportError):
                    state = (await client.get("/ready")).json()
                    return {*state.get("dependencies", {"": ""}).values()} == {"ok"}
                return False

            await site.until(ready, "the site is ready")
            secrets = await report(client, f"ws://{base}")
        await site.until(lambda: all_told(collected), "all spans are sent")
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(30)

    for service in SERVICES:
        written = documents(site.log(service))
        assert written, service
        for line in written:
            assert {"timestamp", "level", "logger", "service", "event"} <= line.keys(), line
            assert line["service"] == service
    for service in ("api", "mcp"):
        assert [line for line in documents(site.log(service)) if line["logger"] == "uvicorn.error"]
    for service in ("api", "relay", "mcp"):
        ids = {line.get("correlation_id") for line in documents(site.log(service)) if line.get("trace_id") == TRACE}
        assert ids == {"the-request"}, service

    everything = b"\n".join([site.log(service).read_bytes() for service in SERVICES] + collected.bodies).lower()
    quoted = [one for one in [*secrets, "marker", "err_payment_504"] if one.lower().encode() in everything]
    assert quoted == [], [line for line in everything.split(b"\n") if quoted[0].lower().encode() in line][:3]


async def all_told(collected: Collected) -> bool:
    """Whether each process sent its part of the run's trace."""
    assert collected.paths <= {"/v1/traces"}
    return collected.names(TRACE) >= {
        ("evidesk-api", "POST /api/v1/agent/create-ticket"),
        ("evidesk-relay", "outbox job.due"),
        ("evidesk-worker", "task agents.run"),
        ("evidesk-worker", "agent customer_support"),
        ("evidesk-worker", "mcp.call create_ticket"),
        ("evidesk-mcp", "mcp.tool create_ticket"),
    }
