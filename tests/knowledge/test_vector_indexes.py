"""What every index of vectors keeps, whichever it is: the database's own, Qdrant, OpenSearch."""

import uuid
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import func, text, update

from app.core.db import Database
from app.core.resources import Resources
from app.core.settings import DatabaseSettings, KnowledgeSettings
from app.core.vectors.base import Hit, IndexStats, IndexUnavailable, Point, Space, VectorIndex
from app.core.vectors.opening import open_index
from app.core.vectors.opensearch import OpenSearchIndex
from app.core.vectors.qdrant import QdrantIndex
from app.knowledge.repository import PgVectorIndex, drop_graph, make_graph
from app.models.knowledge import Chunk, Document, DocumentVersion
from tests.factories.runs import serving
from tests.knowledge.peers import Search

WALK = ("ef_search", "iterative_scan")
SPACE, OTHER = Space(7, 3), Space(8, 2)
EVERYBODY = ("public",)


class InDatabase:
    """Each call in a transaction of its own."""

    name = "pgvector"

    def __init__(self, database: Database) -> None:
        self.database = database

    @asynccontextmanager
    async def _one(self) -> AsyncIterator[PgVectorIndex]:
        async with self.database.unit_of_work() as db:
            yield PgVectorIndex(db)

    async def prepare(self, space: Space) -> None:
        async with self.database.reading() as db:
            await make_graph(db, space)

    async def upsert(self, space: Space, points: Sequence[Point]) -> None:
        async with self._one() as index:
            await index.upsert(space, points)

    async def delete(self, space: Space, document_id: uuid.UUID, *, but: Collection[uuid.UUID] = ()) -> None:
        async with self._one() as index:
            await index.delete(space, document_id, but=but)

    async def nearest(
        self, space: Space, vector: Any, *, readers: Sequence[str] | None, limit: int, exact: bool = False
    ) -> list[Hit]:
        async with self._one() as index:
            return await index.nearest(space, vector, readers=readers, limit=limit, exact=exact)

    async def begin(self, space: Space) -> None:
        async with self._one() as index:
            await index.begin(space)

    async def switch(self, space: Space) -> None:
        async with self._one() as index:
            await index.switch(space)

    async def stats(self, space: Space) -> IndexStats:
        async with self._one() as index:
            return await index.stats(space)

    async def drop(self, space: Space) -> None:
        async with self._one() as index:
            await index.drop(space)
        async with self.database.reading() as db:
            await drop_graph(db, space)

    async def close(self) -> None:
        for space in (SPACE, OTHER):
            await self.drop(space)


@pytest.fixture(params=["pgvector", "qdrant", "opensearch"])
async def index(request: pytest.FixtureRequest, resources: Resources) -> AsyncIterator[VectorIndex]:
    opened: VectorIndex
    async with serving(Search().app()) as address:
        if request.param == "qdrant":
            opened = QdrantIndex(KnowledgeSettings(index="qdrant", index_url=":memory:"))
        elif request.param == "opensearch":
            opened = OpenSearchIndex(KnowledgeSettings(index="opensearch", index_url=address))
        else:
            opened = InDatabase(resources.db)
        await opened.prepare(SPACE)
        yield opened
        await opened.close()


async def passage(
    resources: Resources, vector: list[float], readers: tuple[str, ...] = EVERYBODY, document: uuid.UUID | None = None
) -> Point:
    """A passage as it stands in the database, where an index of its own lives."""
    chunk_id, document_id = uuid.uuid4(), document or uuid.uuid4()
    async with resources.db.unit_of_work() as db:
        if document is None:
            about = {"title": "A", "language": "en"}
            db.add(Document(id=document_id, readers=list(readers), digest="", status="indexed", version=1, **about))
            await db.flush()
            db.add(DocumentVersion(document_id=document_id, version=1, text="words", **about))
            await db.flush()
        # Its place is of no matter here, but there is one of each.
        position = uuid.uuid4().int % 2**31
        row = {"position": position, "start": 0, "end": 5, "words": 1, "readers": list(readers)}
        found = func.to_tsvector("simple", "words")
        db.add(Chunk(id=chunk_id, document_id=document_id, version=1, search=found, **row))
    return Point(chunk_id, document_id, 1, readers, vector)


async def test_the_nearest_come_first_among_those_that_one_may_see(index: VectorIndex, resources: Resources) -> None:
    hidden = [await passage(resources, [1.0, 0.01 * n, 0.0], ("role:admin",)) for n in range(12)]
    near = await passage(resources, [0.8, 0.6, 0.0], ("role:agent", "user:5"))
    far = await passage(resources, [0.0, 0.6, 0.8])
    await index.upsert(SPACE, [*hidden, far, near])
    for exact in (False, True):
        hits = await index.nearest(SPACE, [1.0, 0.0, 0.0], readers=["public", "user:5"], limit=2, exact=exact)
        assert [hit.chunk_id for hit in hits] == [near.chunk_id, far.chunk_id]
        assert [hit.cosine for hit in hits] == pytest.approx([0.8, 0.0], abs=1e-3)
        assert await index.nearest(SPACE, [1.0, 0.0, 0.0], readers=["user:6"], limit=2, exact=exact) == []
        every = await index.nearest(SPACE, [1.0, 0.0, 0.0], readers=None, limit=20, exact=exact)
        assert [hit.chunk_id for hit in every][:2] == [hidden[0].chunk_id, hidden[1].chunk_id]
        assert len(every) == 14


async def test_what_comes_again_is_there_once_and_as_it_came_last(index: VectorIndex, resources: Resources) -> None:
    point = await passage(resources, [1.0, 0.0, 0.0])
    for _ in range(2):
        await index.prepare(SPACE)
        await index.upsert(SPACE, [point])
    async with resources.db.unit_of_work() as db:
        await db.execute(update(Chunk).where(Chunk.id == point.chunk_id).values(readers=["user:5"]))
    await index.upsert(SPACE, [replace(point, readers=("user:5",), vector=[0.0, 1.0, 0.0])])
    assert (await index.stats(SPACE)).points == 1
    assert await index.nearest(SPACE, [0.0, 1.0, 0.0], readers=["public"], limit=5) == []
    (hit,) = await index.nearest(SPACE, [0.0, 1.0, 0.0], readers=["user:5"], limit=5)
    assert hit.chunk_id == point.chunk_id
    assert hit.cosine == pytest.approx(1.0, abs=1e-3)


async def test_deleting_a_document_leaves_nothing_of_it_and_all_of_others(
    index: VectorIndex, resources: Resources
) -> None:
    first = await passage(resources, [1.0, 0.0, 0.0])
    second = await passage(resources, [0.9, 0.1, 0.0], document=first.document_id)
    other = await passage(resources, [0.0, 1.0, 0.0])
    await index.upsert(SPACE, [first, second, other])
    await index.delete(SPACE, first.document_id, but=[second.chunk_id])
    assert {hit.chunk_id for hit in await _all(index)} == {second.chunk_id, other.chunk_id}
    for _ in range(2):
        await index.delete(SPACE, first.document_id)
    assert [hit.chunk_id for hit in await _all(index)] == [other.chunk_id]
    await index.upsert(SPACE, [])
    assert (await index.stats(SPACE)).points == 1


async def test_spaces_are_kept_apart_and_dropped_whole(index: VectorIndex, resources: Resources) -> None:
    point = await passage(resources, [1.0, 0.0, 0.0])
    await index.prepare(OTHER)
    await index.upsert(SPACE, [point])
    await index.upsert(OTHER, [replace(point, vector=[0.0, 1.0])])
    for _ in range(2):
        await index.drop(SPACE)
    (hit,) = await index.nearest(OTHER, [0.0, 1.0], readers=["public"], limit=5)
    assert hit.cosine == pytest.approx(1.0, abs=1e-3)
    await index.prepare(SPACE)
    stats = await index.stats(SPACE)
    assert (stats.index, stats.points) == (index.name, 0)


async def test_one_is_built_beside_the_one_that_is_searched_and_takes_its_place_full(
    index: VectorIndex, resources: Resources
) -> None:
    old, new = await passage(resources, [1.0, 0.0, 0.0]), await passage(resources, [0.0, 1.0, 0.0])
    await index.upsert(SPACE, [old])
    await index.switch(SPACE)
    for _ in range(3):
        # An attempt that was given up leaves nothing behind; then again the other way round.
        await index.begin(SPACE)
        await index.begin(SPACE)
        assert [hit.chunk_id for hit in await _all(index)] == [old.chunk_id]
        await index.upsert(SPACE, [new])
        assert {hit.chunk_id for hit in await _all(index)} == {old.chunk_id, new.chunk_id}
        await index.delete(SPACE, new.document_id)
        await index.upsert(SPACE, [old])
        await index.switch(SPACE)
        assert [hit.chunk_id for hit in await _all(index)] == [old.chunk_id]
        await index.prepare(SPACE)
        assert (await index.stats(SPACE)).points == 1


@pytest.mark.parametrize("kind", ["qdrant", "opensearch"])
async def test_one_that_was_made_before_there_were_two_is_replaced_too(kind: str, resources: Resources) -> None:
    point = await passage(resources, [1.0, 0.0, 0.0])
    async with serving((peer := Search()).app()) as address:
        index: QdrantIndex | OpenSearchIndex
        if kind == "qdrant":
            index = QdrantIndex(KnowledgeSettings(index_url=":memory:"))
            await index._made(SPACE, "evidesk_7", ())
        else:
            index = OpenSearchIndex(KnowledgeSettings(index_url=address))
            await index._made(SPACE, "evidesk-7", ())
        await index.prepare(SPACE)
        await index.upsert(SPACE, [point])
        await index.begin(SPACE)
        assert [hit.chunk_id for hit in await _all(index)] == [point.chunk_id]
        await index.switch(SPACE)
        assert await _all(index) == []
        await index.upsert(SPACE, [point])
        assert [hit.chunk_id for hit in await _all(index)] == [point.chunk_id]
        assert kind == "qdrant" or list(peer.indices) == ["evidesk-7-a"]
        await index.close()


async def test_a_walk_meets_as_many_as_are_wanted_and_leaves_its_connection_as_it_was(resources: Resources) -> None:
    first = await passage(resources, [1.0, 0.0, 0.0])
    others = [await passage(resources, [1.0, 0.01 * n, 0.0], document=first.document_id) for n in range(1, 60)]
    async with resources.db.unit_of_work() as db:
        await PgVectorIndex(db).upsert(SPACE, [first, *others])
    one = Database(resources.db.url, DatabaseSettings(pool_size=1, max_overflow=0))
    try:
        async with one.reading() as db:
            await make_graph(db, SPACE)
        async with one.unit_of_work() as db:
            for way in ("seqscan", "bitmapscan", "sort"):
                await db.execute(text(f"SET LOCAL enable_{way} = off"))
            # By the graph alone, whose own measure is forty.
            assert len(await PgVectorIndex(db).nearest(SPACE, [1.0, 0.0, 0.0], readers=None, limit=60)) == 60
        async with one.reading() as db:
            await PgVectorIndex(db).nearest(SPACE, [1.0, 0.0, 0.0], readers=None, limit=60)
        async with one.reading() as db:
            shown = [(await db.execute(text(f"SHOW hnsw.{name}"))).scalar_one() for name in WALK]
            await drop_graph(db, SPACE)
        assert shown == ["40", "off"]
    finally:
        await one.dispose()


async def _all(index: VectorIndex) -> list[Hit]:
    return await index.nearest(SPACE, [1.0, 0.0, 0.0], readers=None, limit=20)


@pytest.mark.parametrize("kind", [QdrantIndex, OpenSearchIndex])
async def test_an_index_that_is_away_says_so_whatever_it_is_asked(kind: type[QdrantIndex | OpenSearchIndex]) -> None:
    key = SecretStr("user:password") if kind is OpenSearchIndex else None
    away = kind(KnowledgeSettings(index_url="http://127.0.0.1:9", index_api_key=key, index_seconds=2))
    point = Point(uuid.uuid4(), uuid.uuid4(), 1, EVERYBODY, [1.0, 0.0, 0.0])
    calls = [
        away.prepare(SPACE),
        away.upsert(SPACE, [point]),
        away.delete(SPACE, point.document_id),
        away.nearest(SPACE, [1.0, 0.0, 0.0], readers=None, limit=1),
        away.begin(SPACE),
        away.switch(SPACE),
        away.stats(SPACE),
        away.drop(SPACE),
    ]
    for call in calls:
        with pytest.raises(IndexUnavailable, match=r"Qdrant|OpenSearch"):
            await call
    await away.close()


async def test_a_vanished_collection_is_an_index_that_is_away() -> None:
    async with serving(Search().app()) as address:
        empty = OpenSearchIndex(KnowledgeSettings(index_url=address))
        for index in (QdrantIndex(KnowledgeSettings(index_url=":memory:")), empty):
            with pytest.raises(IndexUnavailable):
                await index.nearest(SPACE, [1.0, 0.0, 0.0], readers=None, limit=1)
            await index.close()


def test_settings_without_an_address_are_refused(resources: Resources) -> None:
    given = resources.settings.model_copy(update={"knowledge": KnowledgeSettings(index="qdrant")})
    with pytest.raises(IndexUnavailable, match="EVIDESK_KNOWLEDGE__INDEX_URL"):
        open_index(given)
