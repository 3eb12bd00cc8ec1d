"""A worker is killed in the middle of embedding all passages anew; another one goes on where it stopped."""

import asyncio
import json

import pytest

from app.core.auth import Role
from app.knowledge import service as knowledge
from app.knowledge.schemas import DocumentIn
from app.knowledge.tasks import embed_all
from app.tickets.service import DESK
from tests.factories.people import principal
from tests.faults.embedding_process import BATCH
from tests.faults.site import Site
from tests.knowledge.desk import desk, found
from tests.knowledge.peers import embedding_server

pytestmark = pytest.mark.timeout(400)

TEXTS = [f"Note {number}: the {word} is here." for number, word in enumerate(("printer", "train", "wire", "button"))]
NEW = "SELECT count(*) FROM chunk_embeddings WHERE set_id <> 0"
OLD = "SELECT count(*) FROM chunk_embeddings WHERE set_id = 0"


async def test_what_a_killed_worker_has_embedded_is_kept_and_the_rest_is_embedded_by_another(site: Site) -> None:
    sent, over = asyncio.Event(), asyncio.Event()

    async def hold_the_second_batch(_number: int) -> None:
        if not sent.is_set() and await site.value(NEW) == BATCH:
            sent.set()
            await over.wait()

    async with embedding_server() as (peer, address), desk(site.resources, embedders=address) as opened:
        peer.before = hold_the_second_batch
        agent = await principal(opened, Role.AGENT)
        for number, text in enumerate(TEXTS):
            async with opened.db.unit_of_work() as db:
                document = DocumentIn(title=f"Note {number}", text=text)
                made = await knowledge.create(db, agent, document=document, start=False)
            await knowledge.index(opened.db, made.doc_id, made.version)
        async with opened.db.unit_of_work() as db:
            job = (await knowledge.change_embedder(db, DESK, name="compatible:peer/tiny")).job_id
        first = site.start("first", "tests.faults.embedding_process", **_given(address))
        await site.until_written("first", "ready", "the first worker is there")

        async def knock() -> None:
            # As the relay does whenever a lease has run out.
            await site.send(embed_all.call(job))
            await asyncio.sleep(0.5)

        async def held() -> bool:
            await knock()
            return sent.is_set()

        await site.until(held, "the second batch is sent")
        site.kill(first)
        over.set()
        assert (await site.value(NEW), await site.value(OLD)) == (BATCH, len(TEXTS))
        before = len(peer.asked)
        # Searches go on with what there is.
        assert (await found(opened, agent, "Is the train here?")).evidence[0].text == TEXTS[1]
        site.start("second", "tests.faults.embedding_process", **_given(address))
        await site.until_written("second", "ready", "the second worker is there")

        async def done() -> bool:
            await knock()
            return bool(await site.value("SELECT state = 'succeeded' FROM jobs WHERE id = :id", id=job))

        await site.until(done, "the other worker has embedded the rest")
        assert await site.value(NEW) == len(TEXTS)
        assert await site.value("SELECT done = total AND state = 'active' FROM embedding_sets")
        # What was on its way when the worker died was asked for again, what was stored was not.
        lost = peer.asked[before - 1]["input"]
        assert {text for one in peer.asked[before:] for text in one["input"]} == set(lost)
        assert (await found(opened, agent, "train?")).evidence[0].text == TEXTS[1]


def _given(address: str) -> dict[str, str]:
    return {
        "EVIDESK_MODELS__COMPATIBLE": json.dumps({"peer": {"base_url": address}}),
        "EVIDESK_KNOWLEDGE__EMBED_SECONDS": "120",
        # Long enough for a busy machine to keep it, and no attempt is the last.
        "EVIDESK_JOBS__LEASE_SECONDS": "5",
        "EVIDESK_JOBS__MAX_ATTEMPTS": "100",
    }
