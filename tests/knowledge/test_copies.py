"""Qdrant and OpenSearch beside the database: filled through jobs, never more than a copy, and not missed when away."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import func, select

from app.commands.reindex import reindex
from app.core.auth import Principal, Role
from app.core.resources import Resources
from app.core.vectors.base import Point, VectorIndex
from app.jobs import service as jobs
from app.knowledge import service as knowledge
from app.knowledge.repository import embeddings
from app.knowledge.schemas import Acl, DocumentIn
from app.models.base import uuid7
from app.models.job import Job, JobState
from tests.factories.people import principal, register
from tests.factories.runs import serving
from tests.factories.serving import serving as serving_desk
from tests.knowledge.desk import TASKS, desk, found, job_of, work, write
from tests.knowledge.peers import Search

SPACE = embeddings.BUILT_IN.space
PRINTER = "The printer shows E-77 when its tray is empty."
TRAIN = "Trains leave every hour from platform two."
ABOUT_TRAINS = "When does the railway run?"


@pytest.fixture(params=["qdrant", "opensearch"])
async def copying(request: pytest.FixtureRequest, resources: Resources) -> AsyncIterator[Resources]:
    async with serving(Search().app()) as address:
        url = ":memory:" if request.param == "qdrant" else address
        async with desk(resources, index=request.param, index_url=url) as opened:
            yield opened


@pytest.fixture
async def agent(resources: Resources) -> Principal:
    return await principal(resources, Role.AGENT)


def index_of(resources: Resources) -> VectorIndex:
    assert resources.vectors is not None
    return resources.vectors


async def points(resources: Resources) -> int:
    return (await index_of(resources).stats(SPACE)).points


async def test_documents_are_found_in_another_index_as_they_change(copying: Resources, agent: Principal) -> None:
    ada = await principal(copying)
    train = await write(copying, agent, TRAIN)
    printer = await write(copying, agent, PRINTER)
    assert await work(copying) == 4
    assert (await found(copying, ada, ABOUT_TRAINS)).evidence[0].doc_id == train
    assert (await found(copying, ada, ABOUT_TRAINS)).without_vectors is None
    for acl, text in (Acl(public=True), PRINTER), (Acl(roles=[Role.AGENT]), PRINTER), (Acl(public=True), TRAIN):
        async with copying.db.unit_of_work() as db:
            await knowledge.replace(db, agent, printer, document=DocumentIn(title="Manual", text=text, acl=acl))
        async with copying.db.session() as db:
            queued = select(func.count()).where(Job.state == JobState.QUEUED, Job.kind.in_(TASKS))
            waiting = (await db.execute(queued)).scalar_one()
        # What is as it was costs nothing.
        assert waiting == (0 if (acl.public and text == PRINTER) else 1 if text == PRINTER else 2)
        await work(copying)
        assert await points(copying) == 2
        vector = (await knowledge_vectors(copying, printer))[0].vector
        hits = await index_of(copying).nearest(SPACE, vector, readers=["public"], limit=5)
        assert len(hits) == (2 if acl.public else 1)
    for gone in (train, printer):
        async with copying.db.unit_of_work() as db:
            await knowledge.delete(db, agent, gone)
    await work(copying)
    assert await points(copying) == 0


async def knowledge_vectors(resources: Resources, document: object) -> list[Point]:
    async with resources.db.session() as db:
        return await embeddings.points_of(db, SPACE, document)  # type: ignore[arg-type] # an id


async def test_a_worker_killed_before_the_copy_leaves_a_job_that_makes_it(copying: Resources, agent: Principal) -> None:
    document = await write(copying, agent, TRAIN)
    await work(copying, knowledge.JOB_KIND)
    # Indexed in the database; whoever was to copy it is gone. It is found by its words, and the database's cosine.
    await index_of(copying).prepare(SPACE)
    assert (await found(copying, agent, "platform")).evidence[0].scores.vector > 0.2
    assert await work(copying, knowledge.COPY_KIND) == 1
    assert await points(copying) == 1
    # Late, or twice: it copies what is there then.
    async with copying.db.unit_of_work() as db:
        await knowledge.delete(db, agent, document)
    for _ in range(2):
        await knowledge.copy_document(copying.db, index_of(copying), document)
        assert await points(copying) == 0


async def test_a_rebuilt_index_has_what_the_database_has_and_nothing_else(copying: Resources, agent: Principal) -> None:
    document = await write(copying, agent, TRAIN)
    await work(copying, knowledge.JOB_KIND)
    (stored,) = await knowledge_vectors(copying, document)
    await index_of(copying).prepare(SPACE)
    await index_of(copying).upsert(SPACE, [Point(uuid7(), uuid7(), 1, ("public",), stored.vector)])
    assert await reindex(copying) == {"index": index_of(copying).name, "local": 1}
    hits = await index_of(copying).nearest(SPACE, stored.vector, readers=["public"], limit=5)
    assert [hit.chunk_id for hit in hits] == [stored.chunk_id]


async def test_while_an_index_is_rebuilt_searches_find_everything_and_no_change_is_lost(
    copying: Resources, agent: Principal
) -> None:
    train, printer = await write(copying, agent, TRAIN), await write(copying, agent, PRINTER)
    await work(copying)
    index = index_of(copying)
    # Nothing is read yet: what is deleted and what is written now is so in the old one and the new one.
    await index.begin(SPACE)
    async with copying.db.unit_of_work() as db:
        await knowledge.delete(db, agent, printer)
    late = await write(copying, agent, "Bicycles are rented at the harbour.")
    await work(copying)
    assert await points(copying) == 2
    assert (await found(copying, agent, ABOUT_TRAINS)).evidence[0].doc_id == train
    await index.switch(SPACE)
    hits = await index.nearest(SPACE, (await knowledge_vectors(copying, late))[0].vector, readers=None, limit=5)
    assert [hit.chunk_id for hit in hits] == [(await knowledge_vectors(copying, late))[0].chunk_id]
    assert await reindex(copying) == {"index": index.name, "local": 2}
    assert (await found(copying, agent, ABOUT_TRAINS)).evidence[0].doc_id == train


async def test_while_the_index_is_away_words_are_enough_and_the_answer_says_so(resources: Resources) -> None:
    agent = await register(resources, Role.AGENT)
    peer = Search()
    async with serving(peer.app()) as address, desk(resources, index="opensearch", index_url=address) as opened:
        document = await write(opened, agent.who, TRAIN)
        await work(opened, knowledge.JOB_KIND)
        peer.down = True
        await work(opened, knowledge.COPY_KIND)
        job = await job_of(opened, knowledge.COPY_KIND)
        # It waits, and no attempt is counted, however long the index stays away.
        assert (job.state, job.attempts, job.due_at > job.created_at) == (JobState.QUEUED, 0, True)
        async with serving_desk(opened.settings) as api:
            for down, missing in (True, "vector_index"), (False, None):
                peer.down = down
                if not down:
                    async with opened.db.unit_of_work() as db:
                        assert await jobs.dispatch(db, job.id)
                    assert await work(opened, knowledge.COPY_KIND) == 1
                asked = {"q": "platform two"}
                answer = await api.get("/api/v1/knowledge/search", params=asked, headers=agent.headers)
                assert answer.status_code == 200, answer.text
                assert [one["doc_id"] for one in answer.json()] == [str(document)]
                assert answer.json()[0]["scores"]["vector"] > 0.2
                assert answer.headers.get("search-without") == missing


async def test_the_databases_own_graph_can_be_made_anew(resources: Resources) -> None:
    agent = await principal(resources, Role.AGENT)
    await write(resources, agent, TRAIN)
    await work(resources)
    assert await reindex(resources) == {"index": "pgvector", "local": 1}
    assert (await found(resources, agent, ABOUT_TRAINS)).evidence[0].scores.vector > 0.2
