"""Hybrid search beside its two queries bare, question by question: warm, and with nothing in memory."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import numpy as np

from app.core.auth import Principal, Role
from app.core.db import Database
from app.core.words import COUNTED_MOST
from app.inference.embedding import default_embedder
from app.knowledge import service as knowledge
from app.knowledge.repository import PassageRepository, readers_of
from app.knowledge.service import embedding
from bench.passages import QUESTION_WORDS, Asked, Driver, Floats
from bench.qdrant import Engine
from bench.report import Figures

QUERIES, FIRST, COLD = 200, 20, 40
"""The first ones fill caches and are not measured; those after a start with nothing in memory are."""
NEAREST, BY_WORDS = 100, 200
OURS, BARE = "Evidesk, hybrid search", "bare: sentence model, then both queries"
QDRANT = "Qdrant's engine, in this process: nearest vectors"
Road = Callable[[Asked], Awaitable[Any]]


def person(user_id: int) -> Principal:
    return Principal(user_id=user_id, username="reader", role=Role.CUSTOMER)


READER = person(50)


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


@contextmanager
def read(asked: Sequence[Asked]) -> Iterator[Reading]:
    reading = Reading(asked)
    plain = vars(embedding)["default_embedder"]
    setattr(embedding, "default_embedder", lambda: reading)  # noqa: B010 - it reads, then means what was drawn
    try:
        yield reading
    finally:
        setattr(embedding, "default_embedder", plain)  # noqa: B010


class Bare:
    """The two queries by themselves, for the same terms and the same vector."""

    def __init__(self, driver: Driver) -> None:
        self.driver, self.readers = driver, readers_of(READER) or []

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


def roads(database: Database, driver: Driver) -> dict[str, Road]:
    async def ours(one: Asked) -> None:
        async with database.reading() as db:
            await knowledge.search(db, READER, query=one.words)

    return {OURS: ours, BARE: Bare(driver).both}


async def terms_told(database: Database, asked: Sequence[Asked]) -> None:
    """The bare query looks up every term that counts in ours."""
    for one in asked:
        async with database.reading() as db:
            known = (await PassageRepository(db, READER).asked(one.words, ["english", "simple"])).terms
        one.terms = " | ".join(f"'{term}'" for term, number in known.items() if number < COUNTED_MOST)


async def timed(ways: dict[str, Road], asked: Sequence[Asked]) -> dict[str, list[float]]:
    """Milliseconds of each road for each question; turn about, for whoever comes first reads from disk what is then
    in memory for the others."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number, one in enumerate(asked):
        for name, way in list(ways.items())[:: -1 if number % 2 else 1]:
            started = time.perf_counter()
            await way(one)
            taken[name].append(1000 * (time.perf_counter() - started))
    return taken


def shown(taken: Sequence[float]) -> tuple[str, str]:
    return f"{median(taken):.1f} ms", f"{quantiles(taken, n=20)[-1]:.1f} ms"


async def searching(database: Database, driver: Driver, engine: Engine | None, asked: Sequence[Asked]) -> Figures:
    await terms_told(database, asked)
    bare, readers = Bare(driver), readers_of(READER) or []

    async def theirs(one: Asked) -> None:
        if engine is not None:
            engine.nearest(one.vector, readers, limit=NEAREST)

    ways = roads(database, driver)
    ways |= {"bare: nearest vectors": bare.meaning, "bare: full text": bare.words}
    if engine is not None:
        ways[QDRANT] = theirs
    with read(asked) as reading:
        await timed(ways, asked[:FIRST])
        reading.seconds.clear()
        taken = await timed(ways, asked[FIRST:])
    first, second = taken[OURS], taken[BARE]
    each = [a / b for a, b in zip(first, second, strict=True)]
    ratio = quantiles(first, n=20)[-1] / quantiles(second, n=20)[-1]
    return Figures(
        "Hybrid search",
        ["what", "p50", "p95"],
        [[name, *shown(times)] for name, times in taken.items()],
        [
            f"{len(first)} questions of {QUESTION_WORDS} words, one after the other; the reader may see half of all.",
            "Each question is new, and asked in every way; the order of the ways turns round from one to the next.",
            f"Ours to bare: {ratio:.2f} at p95, {median(each):.2f} in the median of questions.",
            f"Of ours the sentence model takes {1000 * median(reading.seconds):.1f} ms, beside the look-up of words.",
            "Without Qdrant's engine (`--without-qdrant`)."
            if engine is None
            else "Qdrant's engine (Qdrant Edge) is called as a library, without a server's round trip.",
        ],
    )


def forgotten(directory: Path) -> None:
    """What the system keeps of these files in memory is written and let go; nobody else's is touched."""
    for path in directory.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)


def cold(taken: dict[str, list[float]]) -> Figures:
    rows = [[name, f"{times[0]:.0f} ms", *shown(times)] for name, times in taken.items()]
    ratio = quantiles(taken[OURS], n=20)[-1] / quantiles(taken[BARE], n=20)[-1]
    return Figures(
        "Hybrid search with nothing in memory",
        ["what", "the first", "p50", "p95"],
        rows,
        [
            f"The first {COLD} questions after a start of PostgreSQL, whose files the system had let go of.",
            "Each way by itself, with such a start of its own.",
            f"Ours to bare: {ratio:.2f} at p95.",
        ],
    )
