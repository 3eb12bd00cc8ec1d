"""The product's own processes, rooms and subscriptions, killed in the middle of their work."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import text

from app import sample
from app.core.auth import Role
from tests.factories.people import Person, register
from tests.factories.tickets import ticket
from tests.faults.site import Site

SCREENSHOT = Path(sample.__file__).parent / "screenshot.png"
pytestmark = pytest.mark.timeout(400)

PATIENT = {"EVIDESK_JOBS__LEASE_SECONDS": "4"}


@asynccontextmanager
async def started_api(site: Site) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{site.settings.port}", timeout=30) as client:

        async def answers() -> bool:
            try:
                return (await client.get("/health")).status_code == 200
            except httpx2.TransportError:
                return False

        await site.until(answers, "the API answers")
        yield client


async def upload(client: httpx2.AsyncClient, person: Person) -> dict[str, str]:
    files = {"file": ("screenshot.png", SCREENSHOT.read_bytes(), "image/png")}
    answer = await client.post("/api/v1/files/upload", files=files, headers=person.headers)
    assert answer.status_code == 201, answer.text
    found: dict[str, str] = answer.json()
    return found


async def test_a_picture_is_read_once_though_its_worker_is_killed(site: Site) -> None:
    site.start("api", "app.commands.api")
    site.start("relay", "app.commands.relay")
    first = site.start("first", "app.commands.worker", **PATIENT)
    person = await register(site.resources)
    async with started_api(site) as client:
        job = (await upload(client, person))["job_id"]
        await site.until_row("SELECT state = 'running' FROM jobs WHERE id = :id", id=job)
        site.kill(first)
        assert await site.value("SELECT state FROM jobs WHERE id = :id", id=job) == "running"
        site.start("second", "app.commands.worker", **PATIENT)
        await site.until_row("SELECT state = 'succeeded' FROM jobs WHERE id = :id", id=job)
    async with site.resources.db.session() as db:
        (file,) = (await db.execute(text("SELECT processing_status, text FROM files"))).all()
        (segments,) = (await db.execute(text("SELECT count(*), count(DISTINCT position) FROM file_segments"))).all()
    assert file.processing_status == "completed"
    assert file.text
    assert segments[0] == segments[1] > 0
    assert await site.value("SELECT count(*) FROM outbox WHERE type = 'file.ocr_completed'") == 1


async def test_what_the_api_committed_before_it_was_killed_is_told_to_watchers(site: Site) -> None:
    api = site.start("api", "app.commands.api")
    staff = await register(site.resources, Role.AGENT)
    async with started_api(site) as client:
        created = await client.post(
            "/api/v1/tickets", json={"title": "Printer", "description": "It burns."}, headers=staff.headers
        )
        ticket = created.json()["id"]
        path = f"/api/v1/tickets/{ticket}/comments"
        body = {"body": "Use the extinguisher.", "visibility": "public"}
        commenting = asyncio.create_task(client.post(path, json=body, headers=staff.headers))
        await site.until_row("SELECT count(*) > 0 FROM ticket_comments")
        site.kill(api)
        # Whether the answer still got out makes no difference.
        await asyncio.wait([commenting])
        assert commenting.exception() is None or isinstance(commenting.exception(), httpx2.TransportError)
    async with site.listening(f"ticket:{ticket}") as heard:
        site.start("relay", "app.commands.relay")
        message = await heard.get_message(ignore_subscribe_messages=True, timeout=100.0)
    assert message is not None
    told = json.loads(message["data"])
    assert (told["type"], told["data"]["content"]) == ("ticket_comment_added", "Use the extinguisher.")


async def test_a_ticket_is_categorised_though_redis_lost_the_message_about_it(site: Site) -> None:
    relay = site.start("relay", "app.commands.relay")
    person = await register(site.resources)
    made = await ticket(site.resources, person.who, title="Charged twice", description="My card was charged twice.")
    await site.until_row("SELECT state = 'delivered' FROM outbox WHERE type = 'ticket.created'")
    site.lose_redis(with_data=True)
    site.restart_redis()
    site.start("worker", "app.commands.worker")
    await site.until_row("SELECT confidence > 0 FROM tickets WHERE id = :id", id=made.id)
    await site.until_row("SELECT count(*) = 1 FROM ticket_embeddings WHERE ticket_id = :id", id=made.id)
    assert await site.value("SELECT category FROM tickets") == "billing"
    assert await site.value("SELECT count(*) FROM outbox WHERE type = 'ticket.categorised'") == 1
    assert relay.poll() is None
