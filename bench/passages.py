"""Passages by the hundred thousand: a table loaded by COPY, its indexes made when it is full, and questions to it.

Texts are words of a Zipf vocabulary; vectors lie in clusters of a space of few dimensions, as sentences' do, a
document's passages in one of them. What a question means is drawn from the same space.
"""

import time
import uuid
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, TypeAlias

import asyncpg
import numpy as np
from numpy.typing import NDArray

from app.knowledge.repository import embeddings

PER_DOCUMENT = 10
WORDS, VOCABULARY, CLUSTERS, INNER = 80, 60_000, 1_000, 48
QUESTION_WORDS = 7
BATCH = 10_000
SHARES = {50: 0.5, 10: 0.1, 1: 0.01, 1000: 0.001}
"""By a person's id: what part of all documents names them."""
CORNER = 2
"""Somebody who may read a hundredth, all of it about the same."""
SPACE = embeddings.BUILT_IN.space
Floats = NDArray[np.float32]
Driver: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
_COLUMNS = {
    "documents": ["id", "title", "language", "readers", "status", "version", "digest"],
    "document_versions": ["document_id", "version", "title", "language", "text"],
    "said": ["id", "document_id", "position", "first", "last", "readers", "text"],
    "chunk_embeddings": ["chunk_id", "set_id", "readers", "vector"],
}
_INDEXES = """
SELECT indexname, indexdef FROM pg_indexes JOIN pg_index ON indexrelid = indexname::regclass
WHERE schemaname = current_schema() AND tablename IN ('chunks', 'chunk_embeddings') AND NOT indisunique
ORDER BY indexdef LIKE '%hnsw%', indexname
"""


class World:
    """Texts and vectors, the same in every run."""

    def __init__(self, seed: int = 7) -> None:
        fixed = np.random.default_rng(7)
        letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
        self.words = np.array(["".join(fixed.choice(letters, size)) for size in fixed.integers(3, 11, VOCABULARY)])
        self.odds = 1.0 / np.arange(1, VOCABULARY + 1) ** 1.05
        self.odds /= self.odds.sum()
        self.centres = fixed.standard_normal((CLUSTERS, INNER), dtype=np.float32)
        self.lift = fixed.standard_normal((INNER, SPACE.dimensions), dtype=np.float32)
        self.random = np.random.default_rng(seed)

    def vectors(self, clusters: NDArray[np.int64]) -> Floats:
        inner = self.centres[clusters] + 0.6 * self.random.standard_normal((len(clusters), INNER), dtype=np.float32)
        raw = inner @ self.lift + self.random.standard_normal((len(clusters), SPACE.dimensions), dtype=np.float32)
        return np.asarray(raw / np.linalg.norm(raw, axis=1, keepdims=True), dtype=np.float32)

    def texts(self, count: int) -> list[str]:
        drawn = self.words[self.random.choice(VOCABULARY, size=(count, WORDS), p=self.odds)]
        return [" ".join(row) for row in drawn]

    def readers(self, cluster: int) -> list[str]:
        named = [f"user:{who}" for who, share in SHARES.items() if self.random.random() < share]
        return ["role:agent", *named, *([f"user:{CORNER}"] if cluster < CLUSTERS // 100 else [])]


@dataclass
class Asked:
    words: str
    vector: Floats
    terms: str = ""
    """Those that are looked up, as PostgreSQL writes them: the common ones are left out."""


async def load(driver: Driver, passages: int) -> dict[str, float]:
    """Seconds that each index took, by its name. `driver` speaks pgvector's binary form."""
    world = World()
    indexes = [(row["indexname"], row["indexdef"]) for row in await driver.fetch(_INDEXES)]
    for name, _ in indexes:
        await driver.execute(f"DROP INDEX {name}")
    # What is loaded is whole: foreign keys need not look.
    await driver.execute("SET session_replication_role = replica; SET maintenance_work_mem = '3GB'")
    await driver.execute(
        "CREATE TEMP TABLE said "
        "(id uuid, document_id uuid, position int, first int, last int, readers text[], text text)"
    )
    for start in range(0, passages, BATCH):
        await _batch(driver, world, min(BATCH, passages - start))
    seconds = {}
    for name, definition in indexes:
        started = time.perf_counter()
        await driver.execute(definition)
        seconds[name] = time.perf_counter() - started
    await driver.execute("RESET session_replication_role")
    await driver.execute("VACUUM (ANALYZE) documents, document_versions, chunks, chunk_embeddings")
    return seconds


async def _batch(driver: Driver, world: World, count: int) -> None:
    documents = count // PER_DOCUMENT
    clusters = world.random.integers(0, CLUSTERS, documents)
    texts, vectors = world.texts(count), world.vectors(np.repeat(clusters, PER_DOCUMENT))
    rows: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for number, cluster in enumerate(clusters):
        document, readers = uuid.uuid4(), world.readers(int(cluster))
        mine = texts[number * PER_DOCUMENT : (number + 1) * PER_DOCUMENT]
        rows["documents"].append((document, "Note", "en", readers, "indexed", 1, ""))
        rows["document_versions"].append((document, 1, "Note", "en", "\n".join(mine)))
        start = 0
        for position, said in enumerate(mine):
            chunk = uuid.uuid4()
            rows["said"].append((chunk, document, position, start, start + len(said), readers, said))
            rows["chunk_embeddings"].append((chunk, SPACE.id, readers, vectors[number * PER_DOCUMENT + position]))
            start += len(said) + 1
    for table, columns in _COLUMNS.items():
        await driver.copy_records_to_table(table, records=rows[table], columns=columns)
    await driver.execute(
        'INSERT INTO chunks (id, document_id, version, position, start, "end", words, readers, search) SELECT id, '
        "document_id, 1, position, first, last, $1::int, readers, to_tsvector('english', text) FROM said",
        WORDS,
    )
    await driver.execute("TRUNCATE said")


async def questions(driver: Driver, count: int) -> list[Asked]:
    """Words of a passage, and a meaning near its vector; of passages here and there, for their ids are random."""
    world = World(seed=8)
    found = await driver.fetch(
        'SELECT substr(v.text, c.start + 1, c."end" - c.start) AS said, e.vector '
        "FROM (SELECT * FROM chunks ORDER BY id LIMIT $1) c JOIN document_versions v USING (document_id, version) "
        "JOIN chunk_embeddings e ON e.chunk_id = c.id ORDER BY c.id",
        count,
    )
    asked = []
    for row in found:
        words = world.random.choice(row["said"].split(), QUESTION_WORDS, replace=False)
        vector = np.asarray(row["vector"].to_numpy(), dtype=np.float32)
        moved = vector + 0.3 * world.random.standard_normal(len(vector), dtype=np.float32) / np.sqrt(len(vector))
        asked.append(Asked(" ".join(words), np.asarray(moved / np.linalg.norm(moved), dtype=np.float32)))
    return asked
