"""A worker is killed with one part of a long recording in its hands; the product's own processes do the rest."""

import json
from collections.abc import Iterator

import numpy as np
import pytest
from sqlalchemy import text

from app.core.auth import Role
from tests.factories.people import register
from tests.factories.serving import serving
from tests.faults.site import Site
from tests.faults.test_product import PATIENT
from tests.files import samples
from tests.files.speech import peers
from tests.files.speech.conftest import voice
from tests.files.speech.peers import KEY, Peer, Reply

pytestmark = pytest.mark.timeout(400)

PARTS = 3
CALL = samples.wav(np.tile(np.concatenate([voice(), np.zeros(48_000, np.int16)]), 3 * PARTS))
HELD_SECONDS = 600.0


@pytest.fixture
def service() -> Iterator[Peer]:
    with peers.serving(peers.openai) as peer:
        yield peer


async def test_parts_are_transcribed_once_though_a_worker_is_killed_with_one(site: Site, service: Peer) -> None:
    speech = {
        **PATIENT,
        "EVIDESK_SPEECH__ENGINES": '["openai"]',
        "EVIDESK_SPEECH__OPENAI_URL": f"{service.url}/v1",
        "EVIDESK_SPEECH__OPENAI_KEY": KEY,
        "EVIDESK_SPEECH__PART_SECONDS": "10",
        "EVIDESK_SPEECH__REMOTE_SECONDS": str(HELD_SECONDS),
    }
    # The second request is never answered: whoever made it holds a part.
    service.instead += [None, Reply(200, b"", seconds=HELD_SECONDS)]
    site.start("relay", "tests.faults.files_process", ROLE="relay")
    first = site.start("first", "tests.faults.files_process", ROLE="worker", **speech)
    person = await register(site.resources, Role.AGENT)
    async with serving(site.settings) as client:
        answer = await client.post(
            "/api/v1/files/upload", files={"file": ("call.wav", CALL, "audio/wav")}, headers=person.headers
        )
        assert answer.status_code == 201, answer.text
        job, file = answer.json()["job_id"], answer.json()["id"]
        # Step by step, for each has a limit of its own and processes may take long to start.
        await site.until_logged("relay", "relay_started")
        await site.until_row("SELECT count(*) > 0 FROM file_parts")
        await site.until_row("SELECT count(*) = 1 FROM file_parts WHERE state = 'done'")
        await site.until_row("SELECT count(*) = 1 FROM jobs WHERE kind = 'files.part' AND state = 'running'")

        async def held() -> bool:
            return len(service.requests) == 2

        await site.until(held, "the part is sent")
        site.kill(first)
        site.start("second", "tests.faults.files_process", ROLE="worker", **speech)
        await site.until_row("SELECT count(*) = 1 FROM jobs WHERE kind = 'files.part' AND attempts = 2")
        await site.until_row("SELECT state = 'succeeded' FROM jobs WHERE id = :id", id=job)
        found = (await client.get(f"/api/v1/files/{file}/text", headers=person.headers)).json()
    assert (found["metadata"]["parts"], found["metadata"]["partial"]) == (PARTS, False)
    assert found["text"].count("The export fails.") == PARTS
    starts = [segment["start_s"] for segment in found["segments"]]
    assert starts == sorted(starts)
    # Only what was being transcribed when the worker died was sent twice.
    assert len(service.requests) == PARTS + 1
    async with site.resources.db.session() as db:
        attempts = (await db.execute(text("SELECT attempts FROM jobs WHERE kind = 'files.part'"))).scalars().all()
        rows = (
            await db.execute(text("SELECT payload FROM outbox WHERE type = 'file.processing_progress' ORDER BY id"))
        ).scalars()
        messages = [row["message"] if isinstance(row, dict) else json.loads(row)["message"] for row in rows]
    assert sorted(attempts) == [1, 1, 2]
    assert [message for message in messages if "parts" in message] == [
        f"Transcribed {done} of {PARTS} parts" for done in range(PARTS)
    ]
    assert await site.value("SELECT count(*) FROM file_parts") == 0
    assert await site.value("SELECT count(*) FROM outbox WHERE type = 'file.transcription_completed'") == 1
