"""Another embedder comes into use: in the background, all at once, and nothing of the old one stays."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from rich.console import Console
from rich.progress import Progress
from sqlalchemy import func, select, update
from starlette.responses import JSONResponse

from app.commands.reembed import reembed
from app.core.auth import Role
from app.core.clock import now
from app.core.resources import Resources
from app.inference.errors import ModelUnavailable
from app.jobs import service as jobs
from app.jobs.errors import ClaimLost
from app.knowledge import service as knowledge
from app.knowledge.schemas import Acl
from app.knowledge.service import reembedding
from app.models.job import Job, JobState
from app.models.knowledge import ChunkEmbedding
from app.models.spending import ModelCallRow
from app.tickets.service import DESK
from tests.factories.people import Person, principal, register
from tests.factories.serving import serving as serving_desk
from tests.knowledge.desk import desk, embed_all, found, give_up_embedding, job_of, work, write
from tests.knowledge.peers import Embedders, embedding_server

EMBEDDER = "/api/v1/knowledge/embedder"
PEER = "compatible:peer/tiny"
TEXTS = [f"Note {number}: the {word} is here." for number, word in enumerate(("printer", "train", "wire", "button"))]
LOCAL = {"embedder": "local", "dimensions": 384, "index": "pgvector", "vectors": 4, "change": None}
UNAVAILABLE = JSONResponse({"error": "busy"}, 503)


@pytest.fixture
async def peer() -> AsyncIterator[tuple[Embedders, str]]:
    async with embedding_server() as opened:
        yield opened


@pytest.fixture
async def equipped(
    resources: Resources, peer: tuple[Embedders, str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Resources]:
    """Four passages embedded by the delivered model; two are embedded at a time."""
    monkeypatch.setattr(reembedding, "BATCH", 2)
    agent = await principal(resources, Role.AGENT)
    async with desk(resources, embedders=peer[1]) as opened:
        for number, one in enumerate(TEXTS):
            await write(
                opened, agent, one, title=f"Note {number}", acl=Acl(roles=[Role.AGENT]) if number else Acl(public=True)
            )
        await work(opened)
        yield opened


@asynccontextmanager
async def by_http(resources: Resources) -> AsyncIterator[tuple[httpx2.AsyncClient, Person]]:
    admin = await register(resources, Role.ADMIN)
    async with serving_desk(resources.settings) as api:
        yield api, admin


async def start(resources: Resources, name: str = PEER) -> None:
    async with resources.db.unit_of_work() as db:
        await knowledge.change_embedder(db, DESK, name=name)


async def shown(resources: Resources) -> knowledge.EmbedderOut:
    async with resources.db.session() as db:
        return await knowledge.embedder(db)


async def vectors(resources: Resources) -> dict[int, int]:
    """How many by their length."""
    async with resources.db.session() as db:
        length = func.vector_dims(ChunkEmbedding.vector)
        rows: Any = await db.execute(select(length, func.count()).group_by(length))
        return dict(rows.all())


async def test_searches_change_over_when_every_passage_is_embedded(
    equipped: Resources, peer: tuple[Embedders, str]
) -> None:
    who = await principal(equipped, Role.AGENT)
    async with by_http(equipped) as (api, admin):
        before = (await api.get(EMBEDDER, headers=admin.headers)).json()
        assert (before["embedder"], before["dimensions"], before["vectors"], before["change"]) == (
            "local",
            384,
            4,
            None,
        )
        for _ in range(2):
            asked = await api.put(EMBEDDER, json={"embedder": PEER}, headers=admin.headers)
            assert asked.status_code == 202, asked.text
        assert (asked.json()["change"]["state"], asked.json()["change"]["total"]) == ("building", 4)
        assert (await found(equipped, who, "Is the train here?")).evidence[0].text == TEXTS[1]
        assert peer[0].asked == []
        assert await work(equipped) == 2
        after = (await api.get(EMBEDDER, headers=admin.headers)).json()
    assert (after["embedder"], after["dimensions"], after["vectors"], after["exact"]) == (PEER, 8, 4, False)
    assert (after["change"]["state"], after["change"]["done"]) == ("active", 4)
    assert await vectors(equipped) == {8: 4}
    # One to learn the length of its vectors, then two batches.
    assert [len(one["input"]) for one in peer[0].asked] == [1, 2, 2]
    best = (await found(equipped, who, "train?")).evidence[0]
    assert (best.text, best.scores.vector > 0.9) == (TEXTS[1], True)
    assert peer[0].asked[-1]["input"] == ["train?"]
    # Who may see what is as it was, and a new document is embedded by the new one.
    assert {one.text for one in (await found(equipped, await principal(equipped), "note here")).evidence} == {TEXTS[0]}
    await write(equipped, who, "The scanner hums.")
    await work(equipped)
    assert await vectors(equipped) == {8: 5}
    async with equipped.db.session() as db:
        calls = (await db.execute(select(ModelCallRow.operation, ModelCallRow.provider).distinct())).all()
    assert [tuple(call) for call in calls] == [("embed", "compatible/peer")]


async def test_an_embedder_that_fails_is_waited_for_and_no_passage_is_embedded_twice(
    equipped: Resources, peer: tuple[Embedders, str]
) -> None:
    who = await principal(equipped, Role.AGENT)
    await start(equipped)

    async def fail(number: int) -> None:
        # The second batch, as often as it is tried.
        peer[0].failing = [UNAVAILABLE] if number >= 3 else []

    peer[0].before = fail
    await equipped_once(equipped)
    stands = await shown(equipped)
    assert stands.embedder == "local"
    assert stands.change is not None
    assert (stands.change.state, stands.change.done, stands.change.error is not None) == ("building", 2, True)
    job = await job_of(equipped, knowledge.EMBED_KIND)
    assert (job.state, job.attempts) == (JobState.QUEUED, 0)
    peer[0].before, peer[0].failing, seen = None, [], len(peer[0].asked)
    assert (await found(equipped, who, "Is the train here?")).evidence[0].text == TEXTS[1]
    await equipped.breakers.reset("compatible/peer")
    async with equipped.db.unit_of_work() as db:
        await jobs.dispatch(db, job.id)
    await work(equipped)
    assert (await shown(equipped)).embedder == PEER
    # The length was known, and the first batch stored.
    assert [len(one["input"]) for one in peer[0].asked[seen:]] == [2]
    assert await vectors(equipped) == {8: 4}


async def equipped_once(resources: Resources) -> None:
    """One attempt at the change."""
    await embed_all.handler(resources, (await job_of(resources, knowledge.EMBED_KIND)).id)


async def test_a_worker_that_lost_its_job_in_the_middle_stores_nothing_more(
    equipped: Resources, peer: tuple[Embedders, str]
) -> None:
    await start(equipped)
    job = await job_of(equipped, knowledge.EMBED_KIND)
    stopped, go_on = asyncio.Event(), asyncio.Event()

    async def stop_at_the_second_batch(number: int) -> None:
        if number == 3:
            stopped.set()
            await go_on.wait()

    peer[0].before = stop_at_the_second_batch
    first = asyncio.create_task(knowledge.carry_out_embedding(equipped, job.id))
    async with asyncio.timeout(60):
        await stopped.wait()
    assert (await vectors(equipped))[8] == 2
    # As after kill -9: the lease ran out, and another takes the job.
    async with equipped.db.unit_of_work() as db:
        await db.execute(update(Job).where(Job.id == job.id).values(lease_expires_at=now() - timedelta(minutes=1)))
    await knowledge.carry_out_embedding(equipped, job.id)
    assert (await shown(equipped)).embedder == PEER
    go_on.set()
    with pytest.raises(ClaimLost):
        await first
    given = [one for body in peer[0].asked[1:] for one in body["input"]]
    assert len(given) == len(TEXTS) + 2
    await work(equipped)
    assert await vectors(equipped) == {8: 4}


async def test_a_document_indexed_meanwhile_is_not_forgotten(equipped: Resources, peer: tuple[Embedders, str]) -> None:
    who = await principal(equipped, Role.AGENT)
    await start(equipped)

    async def write_meanwhile(number: int) -> None:
        if number == 3:
            await write(equipped, who, "The invoice is late.")
            await work(equipped, knowledge.JOB_KIND)

    peer[0].before = write_meanwhile
    await work(equipped, knowledge.EMBED_KIND)
    assert await vectors(equipped) == {384: 5, 8: 5}
    assert (await found(equipped, who, "invoice?")).evidence[0].text == "The invoice is late."


async def test_a_cancelled_change_leaves_nothing_and_searches_never_noticed(
    equipped: Resources, peer: tuple[Embedders, str]
) -> None:
    async with by_http(equipped) as (api, admin):
        await api.put(EMBEDDER, json={"embedder": PEER}, headers=admin.headers)

        async def cancel_meanwhile(number: int) -> None:
            if number == 3:
                ended = await api.delete(f"{EMBEDDER}/change", headers=admin.headers)
                assert ended.status_code == 204, ended.text

        peer[0].before = cancel_meanwhile
        await work(equipped)
        again = await api.delete(f"{EMBEDDER}/change", headers=admin.headers)
        assert (again.status_code, again.json()["code"]) == (404, "embedding_not_under_way")
        stands = (await api.get(EMBEDDER, headers=admin.headers)).json()
    assert (stands["embedder"], stands["change"]["state"]) == ("local", "cancelled")
    assert await vectors(equipped) == {384: 4}


async def test_an_embedder_without_a_key_is_given_up_and_says_why(
    equipped: Resources, peer: tuple[Embedders, str]
) -> None:
    await start(equipped)
    peer[0].failing = [JSONResponse({}, 401)]
    with pytest.raises(ModelUnavailable):
        await work(equipped, knowledge.EMBED_KIND)
    job = await job_of(equipped, knowledge.EMBED_KIND)
    assert (job.state, job.attempts) == (JobState.QUEUED, 1)
    await give_up_embedding.handler(equipped, job.id)
    change = (await shown(equipped)).change
    assert change is not None
    assert (change.state, "401" in (change.error or "")) == ("failed", True)
    # And another may be asked for, which takes the place of one that is under way.
    peer[0].failing = []
    await start(equipped, "compatible:peer/other")
    await start(equipped)
    await work(equipped)
    assert (await shown(equipped)).embedder == PEER


async def test_what_cannot_be_changed_to_is_refused(equipped: Resources) -> None:
    async with by_http(equipped) as (api, admin):
        agent = await register(equipped, Role.AGENT)
        for body, who, status, code in (
            ({"embedder": "local"}, admin, 409, "embedder_in_use"),
            ({"embedder": "anthropic:x"}, admin, 422, "unknown_model"),
            ({"embedder": "compatible:peer"}, admin, 422, "unknown_model"),
            ({"embedder": PEER}, agent, 403, "forbidden"),
        ):
            answer = await api.put(EMBEDDER, json=body, headers=who.headers)
            assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_while_the_embedder_is_away_passages_are_found_by_their_words(
    equipped: Resources, peer: tuple[Embedders, str]
) -> None:
    with Progress(console=Console(quiet=True)) as progress:
        assert await reembed(equipped, PEER, progress) == 0
        assert await reembed(equipped, PEER, progress) == 1
    who = await principal(equipped, Role.AGENT)
    peer[0].failing = [UNAVAILABLE]
    away = await found(equipped, who, "train")
    assert (away.evidence[0].text, away.evidence[0].scores.vector) == (TEXTS[1], 0)
    assert away.without_vectors == "embedder"
    assert (await found(equipped, who, "train")).without_vectors is None


async def test_another_index_changes_over_with_the_embedder(resources: Resources, peer: tuple[Embedders, str]) -> None:
    who = await principal(resources, Role.AGENT)
    async with desk(resources, embedders=peer[1], index="qdrant", index_url=":memory:") as opened:
        for one in TEXTS:
            await write(opened, who, one)
        await work(opened)
        await start(opened)
        await work(opened)
        stands = await shown(opened)
        assert (stands.index, stands.embedder, stands.vectors) == ("qdrant", PEER, 4)
        assert (await found(opened, who, "train?")).evidence[0].text == TEXTS[1]
        assert await vectors(opened) == {8: 4}
