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
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import asyncpg
import numpy as np
from pgvector.asyncpg import register_vector
from sqlalchemy.engine import make_url

from app.core.clock import now
from app.core.db import Database
from app.core.settings import DatabaseSettings
from app.embedded.data_plane import DataPlane
from app.inference.embedding import default_embedder
from app.knowledge import service as knowledge
from app.knowledge.repository import PgVectorIndex, readers_of
from app.knowledge.schemas import DocumentIn
from app.models import Base
from app.tickets.service import DESK
from bench.hybrid import (
    BARE,
    COLD,
    FIRST,
    NEAREST,
    OURS,
    QUERIES,
    cold,
    forgotten,
    person,
    read,
    roads,
    searching,
    shown,
    timed,
)
from bench.machine import describe
from bench.passages import CORNER, PER_DOCUMENT, SHARES, SPACE, WORDS, Asked, Driver, World, load, questions
from bench.qdrant import Engine
from bench.report import Figures, replace

FEW, PASSAGES = 10_000, 100_000
RECALLED = 40
INGESTION, INGESTED = "Ingestion of documents", 10
DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
WALK = {"hnsw.ef_search": "200", "hnsw.iterative_scan": "relaxed_order"}
"""What our search sets; pgvector's own would give forty passages where a hundred are asked for."""


async def recalling(database: Database, engine: Engine | None, asked: Sequence[Asked]) -> Figures:
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
                other = engine.nearest(one.vector, readers, limit=NEAREST) if engine is not None else []
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
        beside = [] if engine is None else [f"{np.mean(theirs):.3f}", *shown(their_times)]
        rows.append([name, *worst, *beside])
    columns = ["readable", f"recall@{NEAREST}", "worst question", "p50", "p95"]
    return Figures(
        "Recall of the nearest vectors under a filter by reader",
        columns if engine is None else [*columns, "Qdrant's engine", "p50", "p95"],
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
        INGESTION,
        ["what", "documents/s", "ratio"],
        [
            ["the sentence model alone", f"{1 / median(bare):.2f}", "1"],
            ["Evidesk: cut, embed, store, index", f"{1 / median(ours):.2f}", f"{median(bare) / median(ours):.2f}"],
        ],
        [f"{INGESTED} documents of {PER_DOCUMENT} × {WORDS} words, one worker; medians, turn about."],
    )


@asynccontextmanager
async def loaded(
    address: str, directory: Path, passages: int, qdrant: bool
) -> AsyncIterator[tuple[Database, Driver, Engine | None, list[str]]]:
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
            graph = seconds["ix_chunk_embeddings_nearest_0"]
            told.write_text(json.dumps({"passages": passages, "notes": [f"pgvector made its graph in {graph:.0f} s."]}))
        about = json.loads(told.read_text())
        if about["passages"] != passages:
            raise SystemExit(f"{directory} holds {about['passages']:,} passages.")
        if qdrant and len(about["notes"]) == 1:
            made, theirs = await Engine.filled(store, driver)
            made.close()
            about["notes"].append(f"Qdrant's engine made its graph in {theirs:.0f} s.")
            told.write_text(json.dumps(about))
        engine = Engine.opened(store) if qdrant else None
        try:
            # No setting is known before the extension is.
            await driver.execute("LOAD 'vector'")
            for name, value in WALK.items():
                await driver.execute(f"SET {name} = '{value}'")
            yield database, driver, engine, about["notes"][: 1 + qdrant]
        finally:
            if engine is not None:
                engine.close()
    finally:
        await driver.close()
        await database.dispose()


async def measure(address: str, directory: Path, passages: int, qdrant: bool) -> tuple[list[Figures], Sequence[Asked]]:
    async with loaded(address, directory, passages, qdrant) as (database, driver, engine, notes):
        asked = await questions(driver, QUERIES + FIRST)
        found = [
            await searching(database, driver, engine, asked),
            await recalling(database, engine, asked[:RECALLED]),
        ]
        found[0].notes.extend(notes)
        if passages == PASSAGES:
            found.append(await ingesting(database))
        return found, asked


async def chilled(address: str, directory: Path, passages: int, name: str, asked: Sequence[Asked]) -> list[float]:
    """Milliseconds of the first questions that this database is asked."""
    async with loaded(address, directory, passages, False) as (database, driver, _, _):
        with read(asked):
            return (await timed({name: roads(database, driver)[name]}, asked))[name]


def measured(passages: int, directory: Path | None = None, *, qdrant: bool = True) -> list[Figures]:
    if directory is None:
        with TemporaryDirectory(prefix="evidesk-bench-") as made:
            return measured(passages, Path(made), qdrant=qdrant)
    load_before = f"{describe()}. Load before: {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores."
    directory.mkdir(parents=True, exist_ok=True)
    with DataPlane(directory, redis_url="unused", durable=False) as plane:
        found, asked = asyncio.run(measure(plane.database_url, directory, passages, qdrant))
        taken = {}
        for name in (OURS, BARE):
            plane.stop()
            forgotten(directory)
            plane.start()
            taken[name] = asyncio.run(chilled(plane.database_url, directory, passages, name, asked[-COLD:]))
    found.insert(1, cold(taken))
    for one in found:
        one.notes.append(f"{now().date().isoformat()}. {load_before}")
    sized = {one.title: one.title if one.title == INGESTION else f"{one.title}, {passages:,} passages" for one in found}
    return [Figures(sized[one.title], one.columns, one.rows, one.notes) for one in found]


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
    parser.add_argument("--without-qdrant", action="store_true", help="Its graph over a million takes very long.")
    parser.add_argument("--write", action="store_true", help="Put the tables into docs/benchmarks.md.")
    given = parser.parse_args()
    for figures in measured(given.chunks, given.directory, qdrant=not given.without_qdrant):
        print(figures.markdown(), flush=True)
        if given.write:
            DOCUMENT.write_text(replace(DOCUMENT.read_text(encoding="utf-8"), figures), encoding="utf-8")


if __name__ == "__main__":
    main()
