"""Hybrid search over many passages: `python -m bench.knowledge --chunks 1000000`.

Beside it in the same run, turn about: its two queries bare, and Qdrant's engine on the same vectors with the same
parameters. The sentence model reads each question; what it means is drawn from the space of the vectors. With
`--directory` the loaded passages are kept and used again; with `--write` the tables replace those of the document.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg
import numpy as np
from pgvector.asyncpg import register_vector
from sqlalchemy.engine import make_url

from app.core.auth import Principal, Role
from app.core.clock import now
from app.core.db import Database
from app.core.settings import DatabaseSettings
from app.core.words import COUNTED_MOST
from app.embedded.data_plane import DataPlane
from app.inference.embedding import default_embedder
from app.knowledge import service as knowledge
from app.knowledge.repository import PassageRepository, PgVectorIndex, readers_of
from app.knowledge.schemas import DocumentIn
from app.knowledge.service import embedding
from app.models import Base
from app.tickets.service import DESK
from bench.passages import (
    CORNER,
    PER_DOCUMENT,
    QUESTION_WORDS,
    SHARES,
    SPACE,
    WORDS,
    Asked,
    Driver,
    Floats,
    World,
    load,
    questions,
)
from bench.qdrant import Engine
from bench.report import Figures, replace

FEW, PASSAGES = 10_000, 100_000
QUERIES, RECALLED, FIRST = 200, 40, 20
"""The first ones fill caches and are not measured."""
NEAREST, BY_WORDS = 100, 200
INGESTED = 10
DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
WALK = {"hnsw.ef_search": "200", "hnsw.iterative_scan": "relaxed_order"}
"""What our search sets; pgvector's own would give forty passages where a hundred are asked for."""


def person(user_id: int) -> Principal:
    return Principal(user_id=user_id, username="reader", role=Role.CUSTOMER)


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


class Bare:
    """The two queries by themselves, for the same terms and the same vector."""

    def __init__(self, driver: Driver, readers: list[str]) -> None:
        self.driver, self.readers = driver, readers

    async def meaning(self, one: Asked) -> None:
        await self.driver.fetch(
            "SELECT chunk_id FROM chunk_embeddings WHERE set_id = 0 AND readers && $1 "
            "ORDER BY vector::halfvec(384) <=> $2 LIMIT $3",
            self.readers,
            one.vector,
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


async def searching(database: Database, driver: Driver, engine: Engine, asked: Sequence[Asked]) -> Figures:
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

    async def theirs(one: Asked) -> None:
        engine.nearest(one.vector, readers, limit=NEAREST)

    bare = Bare(driver, readers)
    roads: dict[str, Callable[[Asked], Awaitable[Any]]] = {
        "Evidesk, hybrid search": ours,
        "bare: sentence model, then both queries": bare.both,
        "bare: nearest vectors": bare.meaning,
        "bare: full text": bare.words,
        "Qdrant's engine, in this process: nearest vectors": theirs,
    }
    plain = vars(embedding)["default_embedder"]
    setattr(embedding, "default_embedder", lambda: reading)  # noqa: B010 - it reads, then means what was drawn
    try:
        await timed(roads, asked[:FIRST])
        reading.seconds.clear()
        taken = await timed(roads, asked[FIRST:])
    finally:
        setattr(embedding, "default_embedder", plain)  # noqa: B010
    first, second = list(taken.values())[:2]
    each = [a / b for a, b in zip(first, second, strict=True)]
    ratio = quantiles(first, n=20)[-1] / quantiles(second, n=20)[-1]
    return Figures(
        "Hybrid search",
        ["what", "p50", "p95"],
        [[name, *shown(times)] for name, times in taken.items()],
        [
            f"{len(first)} questions of {QUESTION_WORDS} words, one after the other; the reader may see half of all.",
            f"Ours to bare: {ratio:.2f} at p95, {median(each):.2f} in the median of questions.",
            f"Of ours the sentence model takes {1000 * median(reading.seconds):.1f} ms, beside the look-up of words.",
            "Qdrant's engine (Qdrant Edge) is called as a library, without a server's round trip.",
        ],
    )


async def recalling(database: Database, engine: Engine, asked: Sequence[Asked]) -> Figures:
    rows = []
    people = {**{f"{share:.1%}": user for user, share in SHARES.items()}, "1 %, in one corner": CORNER}
    for name, user in people.items():
        readers = readers_of(person(user)) or []
        ours, theirs, times, their_times = [], [], [], []
        for one in asked:
            async with database.reading() as db:
                index = PgVectorIndex(db)
                started = time.perf_counter()
                near = await index.nearest(SPACE, one.vector, readers=readers, limit=NEAREST)
                between = time.perf_counter()
                other = engine.nearest(one.vector, readers, limit=NEAREST)
                their_times.append(1000 * (time.perf_counter() - between))
                times.append(1000 * (between - started))
                exact = {
                    hit.chunk_id
                    for hit in await index.nearest(SPACE, one.vector, readers=readers, limit=NEAREST, exact=True)
                }
            if not exact:
                continue
            ours.append(len(exact & {hit.chunk_id for hit in near}) / len(exact))
            theirs.append(len(exact & set(other)) / len(exact))
        if not ours:
            continue
        worst = f"{np.mean(ours):.3f}", f"{min(ours):.2f}", *shown(times)
        rows.append([name, *worst, f"{np.mean(theirs):.3f}", *shown(their_times)])
    return Figures(
        "Recall of the nearest vectors under a filter by reader",
        ["readable", f"recall@{NEAREST}", "worst question", "p50", "p95", "Qdrant's engine", "p50", "p95"],
        rows,
        [
            f"{len(asked)} questions each, against comparing every readable passage.",
            "In one corner: all that the reader may see lies in a hundredth of the clusters.",
            "Who may read fewer than about 20,000 has all of them compared, the others walk the graph.",
        ],
    )


async def ingesting(database: Database) -> Figures:
    """Documents through creation and indexing, beside the sentence model alone on the same passages."""
    ours, bare = [], []
    world = World(seed=9)
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
        async with database.unit_of_work() as db:
            await knowledge.delete(db, DESK, made.doc_id)
    return Figures(
        "Ingestion of documents",
        ["what", "documents/s", "ratio"],
        [
            ["the sentence model alone", f"{1 / median(bare):.2f}", "1"],
            ["Evidesk: cut, embed, store, index", f"{1 / median(ours):.2f}", f"{median(bare) / median(ours):.2f}"],
        ],
        [f"{INGESTED} documents of {PER_DOCUMENT} × {WORDS} words, one worker; medians, turn about."],
    )


@asynccontextmanager
async def loaded(address: str, directory: Path, passages: int) -> AsyncIterator[tuple[Database, Driver, Engine, str]]:
    """What an earlier run left in the directory, or all of it new; and how long its graphs took."""
    told, store = directory / "loaded.json", directory / "qdrant"
    database = Database(address, DatabaseSettings(statement_timeout_ms=3_600_000))
    plain = make_url(address).set(drivername="postgresql").render_as_string(hide_password=False)
    driver = await asyncpg.connect(plain, server_settings={"jit": "off"})
    try:
        await register_vector(driver)
        if not told.exists():
            async with database.engine.begin() as tables:
                await tables.run_sync(Base.metadata.create_all)
            seconds = await load(driver, passages)
            print(f"loaded; seconds for each index: {seconds}", file=sys.stderr, flush=True)
            engine, theirs = await Engine.filled(store, driver)
            engine.close()
            graph = seconds["ix_chunk_embeddings_nearest_0"]
            note = f"Making the graph over all vectors took pgvector {graph:.0f} s, Qdrant's engine {theirs:.0f} s."
            told.write_text(json.dumps({"passages": passages, "note": note}))
        about = json.loads(told.read_text())
        if about["passages"] != passages:
            raise SystemExit(f"{directory} holds {about['passages']:,} passages.")
        engine = Engine.opened(store)
        try:
            # No setting is known before the extension is.
            await driver.execute("LOAD 'vector'")
            for name, value in WALK.items():
                await driver.execute(f"SET {name} = '{value}'")
            yield database, driver, engine, about["note"]
        finally:
            engine.close()
    finally:
        await driver.close()
        await database.dispose()


async def measure(address: str, directory: Path, passages: int) -> list[Figures]:
    load_before = f"Load of the machine before: {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores."
    async with loaded(address, directory, passages) as (database, driver, engine, note):
        asked = await questions(driver, QUERIES + FIRST)
        found = [
            await searching(database, driver, engine, asked),
            await recalling(database, engine, asked[:RECALLED]),
        ]
        found[0].notes.append(note)
        tables = [Figures(f"{one.title}, {passages:,} passages", one.columns, one.rows, one.notes) for one in found]
        if passages == PASSAGES:
            tables.append(await ingesting(database))
        for one in tables:
            one.notes.append(f"{now().date().isoformat()}. {load_before}")
        return tables


def measured(passages: int, directory: Path | None = None) -> list[Figures]:
    if directory is None:
        with TemporaryDirectory(prefix="evidesk-bench-") as made:
            return measured(passages, Path(made))
    directory.mkdir(parents=True, exist_ok=True)
    with DataPlane(directory, redis_url="unused", durable=False) as plane:
        return asyncio.run(measure(plane.database_url, directory, passages))


@dataclass(frozen=True)
class Tables(Figures):
    others: list[Figures] = field(default_factory=list)

    def markdown(self) -> str:
        return "\n".join([super().markdown(), *(other.markdown() for other in self.others)])


def run() -> Figures:
    """The tables as one, for all passages of the smaller size."""
    first, *others = measured(PASSAGES)
    return Tables(first.title, first.columns, first.rows, first.notes, others)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.knowledge")
    parser.add_argument("--chunks", type=int, default=FEW, help="A million take half an hour to load.")
    parser.add_argument("--directory", type=Path, help="Where the loaded passages are kept for the next time.")
    parser.add_argument("--write", action="store_true", help="Put the tables into docs/benchmarks.md.")
    given = parser.parse_args()
    for figures in measured(given.chunks, given.directory):
        print(figures.markdown(), flush=True)
        if given.write:
            DOCUMENT.write_text(replace(DOCUMENT.read_text(encoding="utf-8"), figures), encoding="utf-8")


if __name__ == "__main__":
    main()
