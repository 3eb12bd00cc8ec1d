"""Hybrid search over 100,000 passages, and with `python -m bench.knowledge --million` over a million.

Beside it in the same run, turn about: its two queries bare, and Qdrant's local mode, which compares everything in
numpy. Texts are words of a Zipf vocabulary; vectors lie in clusters of a space of few dimensions, as sentences' do, a
document's passages in one of them. What a query means is drawn from the same space; the sentence model still reads it.
"""

import argparse
import asyncio
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import asyncpg
import numpy as np
from numpy.typing import NDArray
from qdrant_client import QdrantClient, models
from sqlalchemy import text
from sqlalchemy.engine import make_url

from app.commands.own_schema import own_schema
from app.core.auth import Principal, Role
from app.core.db import Database
from app.core.settings import Settings
from app.embedded.data_plane import DataPlane
from app.inference.embedding import default_embedder
from app.knowledge import service as knowledge
from app.knowledge.repository import COUNTED_MOST, GRAPH, PassageRepository, PgVectorIndex, embeddings, readers_of
from app.knowledge.schemas import DocumentIn
from app.knowledge.service import embedding
from app.tickets.service import DESK
from bench.report import Figures

PASSAGES, MILLION = 100_000, 1_000_000
PER_DOCUMENT = 10
WORDS, VOCABULARY, CLUSTERS, INNER = 80, 60_000, 1_000, 48
QUERIES, RECALLED = 200, 40
QUERY_WORDS = 7
NEAREST, BY_WORDS = 100, 200
SHARES = {50: 0.5, 10: 0.1, 1: 0.01, 1000: 0.001}
"""By a person's id: what part of all documents names them."""
CORNER = 2
"""Somebody who may read a hundredth, all of it about the same."""
INGESTED = 30
SPACE = embeddings.BUILT_IN.space
Floats = NDArray[np.float32]
Driver: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


def person(user_id: int) -> Principal:
    return Principal(user_id=user_id, username="reader", role=Role.CUSTOMER)


class World:
    """Texts and vectors, the same in every run."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(7)
        letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
        sizes = self.random.integers(3, 11, VOCABULARY)
        self.words = ["".join(self.random.choice(letters, size)) for size in sizes]
        self.odds = 1.0 / np.arange(1, VOCABULARY + 1) ** 1.05
        self.odds /= self.odds.sum()
        self.centres = self.random.standard_normal((CLUSTERS, INNER)).astype(np.float32)
        self.lift = self.random.standard_normal((INNER, SPACE.dimensions)).astype(np.float32)

    def vectors(self, clusters: NDArray[np.int64]) -> Floats:
        inner = self.centres[clusters] + 0.6 * self.random.standard_normal((len(clusters), INNER)).astype(np.float32)
        noise = self.random.standard_normal((len(clusters), SPACE.dimensions)).astype(np.float32)
        raw = inner @ self.lift + noise
        return np.asarray(raw / np.linalg.norm(raw, axis=1, keepdims=True), dtype=np.float32)

    def texts(self, count: int) -> list[str]:
        drawn = self.random.choice(VOCABULARY, size=(count, WORDS), p=self.odds)
        return [" ".join(self.words[index] for index in row) for row in drawn]

    def readers(self, cluster: int) -> list[str]:
        named = [f"user:{who}" for who, share in SHARES.items() if self.random.random() < share]
        return ["role:agent", *named, *([f"user:{CORNER}"] if cluster < CLUSTERS // 100 else [])]


@dataclass
class Asked:
    words: str
    vector: Floats
    terms: str = ""
    """Those that are looked up, as PostgreSQL writes them: the common ones are left out."""


class Reading:
    """The sentence model reads each question; its meaning is the synthetic one."""

    def __init__(self, asked: Sequence[Asked]) -> None:
        self._meant = {one.words: one.vector for one in asked}
        self.seconds: list[float] = []

    def embed(self, texts: list[str]) -> Floats:
        started = time.perf_counter()
        found = default_embedder().embed(texts)
        self.seconds.append(time.perf_counter() - started)
        return np.stack([self._meant.get(one, row) for one, row in zip(texts, found, strict=True)])


async def load(driver: Driver, world: World, passages: int) -> float:
    """By COPY, with the graph made at the end; seconds that the graph took."""
    await driver.execute("DROP INDEX ix_chunk_embeddings_nearest_0")
    for start in range(0, passages, 10_000):
        await _batch(driver, world, min(10_000, passages - start))
    await driver.execute("SET maintenance_work_mem = '2GB'")
    started = time.perf_counter()
    await driver.execute(
        "CREATE INDEX ix_chunk_embeddings_nearest_0 ON chunk_embeddings "
        f"USING hnsw ((vector::halfvec({SPACE.dimensions})) halfvec_cosine_ops) WITH {GRAPH} WHERE set_id = 0"
    )
    seconds = time.perf_counter() - started
    await driver.execute("ANALYZE")
    return seconds


async def _batch(driver: Driver, world: World, count: int) -> None:
    documents = count // PER_DOCUMENT
    clusters = world.random.integers(0, CLUSTERS, documents)
    texts, vectors = world.texts(count), world.vectors(np.repeat(clusters, PER_DOCUMENT))
    rows: dict[str, list[tuple[Any, ...]]] = {"documents": [], "document_versions": [], "said": [], "meant": []}
    for number, cluster in enumerate(clusters):
        document, readers = uuid.uuid4(), world.readers(int(cluster))
        mine = texts[number * PER_DOCUMENT : (number + 1) * PER_DOCUMENT]
        rows["documents"].append((document, "Note", "en", readers, "indexed", 1, ""))
        rows["document_versions"].append((document, 1, "Note", "en", "\n".join(mine)))
        start = 0
        for position, said in enumerate(mine):
            chunk = uuid.uuid4()
            span = (start, start + len(said))
            rows["said"].append((chunk, document, position, *span, WORDS, readers, said))
            vector = vectors[number * PER_DOCUMENT + position]
            rows["meant"].append((chunk, readers, f"[{','.join(f'{value:.5f}' for value in vector)}]"))
            start += len(said) + 1
    about = ["id", "title", "language", "readers", "status", "version", "digest"]
    await driver.copy_records_to_table("documents", records=rows["documents"], columns=about)
    told = ["document_id", "version", "title", "language", "text"]
    await driver.copy_records_to_table("document_versions", records=rows["document_versions"], columns=told)
    await driver.execute(
        "CREATE TEMP TABLE IF NOT EXISTS said (id uuid, document_id uuid, position int, first int, last int, "
        "words int, readers text[], text text); "
        "CREATE TEMP TABLE IF NOT EXISTS meant (id uuid, readers text[], vector text)"
    )
    await driver.copy_records_to_table("said", records=rows["said"])
    await driver.copy_records_to_table("meant", records=rows["meant"])
    await driver.execute(
        'INSERT INTO chunks (id, document_id, version, position, start, "end", words, readers, search) SELECT id, '
        "document_id, 1, position, first, last, words, readers, to_tsvector('english', text) FROM said; "
        "INSERT INTO chunk_embeddings (chunk_id, set_id, readers, vector) "
        "SELECT id, 0, readers, vector::vector FROM meant; TRUNCATE said, meant"
    )


async def questions(driver: Driver, world: World, count: int) -> list[Asked]:
    """Words of a passage, and a meaning near its vector."""
    found = await driver.fetch(
        'SELECT substr(v.text, c.start + 1, c."end" - c.start) AS said, e.vector::text AS vector '
        "FROM chunks c TABLESAMPLE BERNOULLI (20) JOIN document_versions v ON v.document_id = c.document_id "
        "JOIN chunk_embeddings e ON e.chunk_id = c.id LIMIT $1",
        count,
    )
    asked = []
    for row in found:
        words = world.random.choice(row["said"].split(), QUERY_WORDS, replace=False)
        vector = np.fromstring(row["vector"][1:-1], sep=",", dtype=np.float32)
        moved = vector + 0.3 * world.random.standard_normal(len(vector)).astype(np.float32) / np.sqrt(len(vector))
        asked.append(Asked(" ".join(words), np.asarray(moved / np.linalg.norm(moved), dtype=np.float32)))
    return asked


class Bare:
    """The two queries by themselves, for the same terms and the same vector."""

    def __init__(self, driver: Driver, readers: list[str]) -> None:
        self.driver, self.readers = driver, readers

    async def meaning(self, one: Asked) -> None:
        await self.driver.fetch(
            "SELECT chunk_id FROM chunk_embeddings WHERE set_id = 0 AND readers && $1 "
            "ORDER BY vector::halfvec(384) <=> $2::text::halfvec(384) LIMIT $3",
            self.readers,
            f"[{','.join(map(str, one.vector.tolist()))}]",
            NEAREST,
        )

    async def words(self, one: Asked) -> None:
        await self.driver.fetch(
            "SELECT id FROM chunks WHERE readers && $1 AND search @@ $2::text::tsquery "
            "ORDER BY ts_rank(search, $2::text::tsquery) DESC LIMIT $3",
            self.readers,
            one.terms,
            BY_WORDS,
        )

    async def both(self, one: Asked) -> None:
        await asyncio.to_thread(default_embedder().embed, [one.words])
        await self.meaning(one)
        await self.words(one)


async def qdrant_of(driver: Driver) -> QdrantClient:
    client = QdrantClient(location=":memory:")
    size = models.VectorParams(size=SPACE.dimensions, distance=models.Distance.COSINE)
    client.create_collection("bench", vectors_config=size)
    async with driver.transaction():
        rows = driver.cursor("SELECT chunk_id, readers, vector::text AS vector FROM chunk_embeddings", prefetch=5_000)
        held: list[models.PointStruct] = []
        async for row in rows:
            vector = np.fromstring(row["vector"][1:-1], sep=",", dtype=np.float32).tolist()
            held.append(models.PointStruct(id=str(row["chunk_id"]), vector=vector, payload={"readers": row["readers"]}))
            if len(held) == 5_000:
                client.upload_points("bench", held)
                held = []
        client.upload_points("bench", held)
    return client


def asking(client: QdrantClient, readers: list[str]) -> Callable[[Asked], Awaitable[None]]:
    match = models.FieldCondition(key="readers", match=models.MatchAny(any=readers))

    async def ask(one: Asked) -> None:
        client.query_points("bench", query=one.vector.tolist(), query_filter=models.Filter(must=[match]), limit=NEAREST)

    return ask


async def timed(roads: dict[str, Callable[[Asked], Awaitable[Any]]], asked: Sequence[Asked]) -> dict[str, list[float]]:
    """Milliseconds of each road for each question, turn about."""
    taken: dict[str, list[float]] = {name: [] for name in roads}
    for one in asked:
        for name, road in roads.items():
            started = time.perf_counter()
            await road(one)
            taken[name].append(1000 * (time.perf_counter() - started))
    return taken


def shown(taken: Sequence[float]) -> tuple[str, str]:
    return f"{median(taken):.1f} ms", f"{quantiles(taken, n=20)[-1]:.1f} ms"


async def searching(database: Database, driver: Driver, asked: Sequence[Asked], *, peer: bool) -> Figures:
    who = person(50)
    readers = readers_of(who) or []
    reading = Reading(asked)
    for one in asked:
        async with database.reading() as db:
            known = (await PassageRepository(db, who).asked(one.words, ["english", "simple"])).terms
        one.terms = " | ".join(f"'{term}'" for term, number in known.items() if number < COUNTED_MOST)

    async def ours(one: Asked) -> None:
        async with database.reading() as db:
            await knowledge.search(db, who, query=one.words)

    bare = Bare(driver, readers)
    roads: dict[str, Callable[[Asked], Awaitable[Any]]] = {
        "Evidesk, hybrid search": ours,
        "bare: sentence model, then both queries": bare.both,
        "bare: nearest vectors": bare.meaning,
        "bare: full text": bare.words,
    }
    if peer:
        roads["Qdrant's local mode (exact, numpy): nearest vectors"] = asking(await qdrant_of(driver), readers)
    for road in roads.values():
        for one in asked[:5]:
            await road(one)
    plain = vars(embedding)["default_embedder"]
    setattr(embedding, "default_embedder", lambda: reading)  # noqa: B010 - it reads, then means what was drawn
    try:
        taken = await timed(roads, asked[5:])
    finally:
        setattr(embedding, "default_embedder", plain)  # noqa: B010
    first, second = list(taken.values())[:2]
    each = [a / b for a, b in zip(first, second, strict=True)]
    ratio = quantiles(first, n=20)[-1] / quantiles(second, n=20)[-1]
    total = await driver.fetchval("SELECT count(*) FROM chunks")
    return Figures(
        f"Hybrid search over {total:,} passages",
        ["what", "p50", "p95"],
        [[name, *shown(times)] for name, times in taken.items()],
        [
            f"{len(first)} questions of {QUERY_WORDS} words, one after the other; the reader may see half of all.",
            f"Ours to bare: {ratio:.2f} at p95, {median(each):.2f} in the median of questions.",
            f"Of ours the sentence model takes {1000 * median(reading.seconds):.1f} ms, beside the look-up of words.",
        ],
    )


async def recalling(database: Database, asked: Sequence[Asked]) -> Figures:
    rows = []
    people = {**{f"{share:.1%}": user for user, share in SHARES.items()}, "1 %, in one corner": CORNER}
    for name, user in people.items():
        readers = readers_of(person(user))
        recalls, times = [], []
        for one in asked:
            async with database.reading() as db:
                index = PgVectorIndex(db)
                started = time.perf_counter()
                near = await index.nearest(SPACE, one.vector, readers=readers, limit=NEAREST)
                times.append(1000 * (time.perf_counter() - started))
                exact = await index.nearest(SPACE, one.vector, readers=readers, limit=NEAREST, exact=True)
            # By distance, so that equally near passages count alike.
            worst = exact[-1].cosine - 1e-4
            recalls.append(sum(hit.cosine >= worst for hit in near) / len(exact))
        rows.append([name, f"{np.mean(recalls):.3f}", f"{min(recalls):.2f}", *shown(times)])
    return Figures(
        "Recall of the nearest vectors under a filter by reader",
        ["readable", f"recall@{NEAREST}", "worst question", "p50", "p95"],
        rows,
        [
            f"{len(asked)} questions each, against comparing every readable passage.",
            "In one corner: all that the reader may see lies in a hundredth of the clusters.",
        ],
    )


async def ingesting(database: Database, world: World) -> Figures:
    """Documents through creation and indexing, beside the sentence model alone on the same passages."""
    ours, bare = [], []
    for _ in range(INGESTED):
        said = "\n\n".join(world.texts(PER_DOCUMENT))
        async with database.unit_of_work() as db:
            made = await knowledge.create(db, DESK, document=DocumentIn(title="Note", text=said), start=False)
        started = time.perf_counter()
        await knowledge.index(database, made.doc_id, made.version)
        ours.append(time.perf_counter() - started)
        texts = [f"Note\n{one}" for one in said.split("\n\n")]
        started = time.perf_counter()
        default_embedder().embed(texts)
        bare.append(time.perf_counter() - started)
    return Figures(
        "Ingestion of documents",
        ["what", "documents/s", "ratio"],
        [
            ["the sentence model alone", f"{1 / median(bare):.2f}", "1"],
            ["Evidesk: cut, embed, store, index", f"{1 / median(ours):.2f}", f"{median(bare) / median(ours):.2f}"],
        ],
        [f"{INGESTED} documents of {PER_DOCUMENT} × {WORDS} words, one worker; medians, turn about."],
    )


async def measure(address: str, passages: int) -> list[Figures]:
    settings = Settings(_env_file=None)
    async with own_schema(address, settings) as database:
        async with database.reading() as db:
            schema = (await db.execute(text("SELECT current_schema()"))).scalar_one()
        plain = make_url(address).set(drivername="postgresql").render_as_string(hide_password=False)
        driver = await asyncpg.connect(plain, server_settings={"search_path": f"{schema},public"})
        try:
            world = World()
            seconds = await load(driver, world, passages)
            asked = await questions(driver, world, QUERIES + 5)
            found = await searching(database, driver, asked, peer=passages <= PASSAGES)
            found.notes.append(f"The graph over all vectors took {seconds:.0f} s.")
            return [found, await recalling(database, asked[:RECALLED]), await ingesting(database, world)]
        finally:
            await driver.close()


def measured(passages: int) -> Iterator[Figures]:
    with TemporaryDirectory(prefix="evidesk-bench-") as directory:
        plane = DataPlane(Path(directory), redis_url="unused", durable=False)
        with plane:
            yield from asyncio.run(measure(plane.database_url, passages))


@dataclass(frozen=True)
class Tables(Figures):
    others: list[Figures] = field(default_factory=list)

    def markdown(self) -> str:
        return "\n".join([super().markdown(), *(other.markdown() for other in self.others)])


def run() -> Figures:
    """The three tables as one, for all passages of the smaller size."""
    first, *others = measured(PASSAGES)
    return Tables(first.title, first.columns, first.rows, first.notes, others)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.knowledge")
    parser.add_argument("--million", action="store_true", help="Loading alone takes many minutes.")
    parser.add_argument("--passages", type=int, default=PASSAGES)
    given = parser.parse_args()
    for figures in measured(MILLION if given.million else given.passages):
        sys.stdout.write(figures.markdown() + "\n")


if __name__ == "__main__":
    main()
