"""Qdrant's own engine in this process (Qdrant Edge): its segments, filters and HNSW graph, with no server around it."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import qdrant_edge as edge

from bench.passages import SPACE, Driver, Floats

M, EF_CONSTRUCTION, EF_SEARCH = 24, 200, 200
"""As of our own graph."""
BATCH = 5_000


class Engine:
    def __init__(self, shard: edge.EdgeShard) -> None:
        self._shard = shard

    @classmethod
    async def filled(cls, directory: Path, driver: Driver) -> tuple["Engine", float]:
        """With every vector of the database, as half precision; and the seconds that its graph took."""
        shutil.rmtree(directory, ignore_errors=True)
        config = edge.EdgeConfig(
            vectors=edge.EdgeVectorParams(
                size=SPACE.dimensions, distance=edge.Distance.Cosine, datatype=edge.VectorStorageDatatype.Float16
            ),
            hnsw_config=edge.HnswIndexConfig(m=M, ef_construct=EF_CONSTRUCTION, full_scan_threshold=10_000),
            optimizers=edge.EdgeOptimizersConfig(default_segment_number=1, max_segment_size=100_000_000),
            wal_enabled=False,
        )
        directory.mkdir(parents=True)  # noqa: ASYNC240 - nothing else runs
        shard = edge.EdgeShard.create(str(directory), config)
        shard.update(edge.UpdateOperation.create_field_index("readers", edge.KeywordIndexParams()))
        async with driver.transaction():
            held: list[edge.Point] = []
            query = "SELECT chunk_id, readers, vector FROM chunk_embeddings"
            async for row in driver.cursor(query, prefetch=BATCH):
                held.append(edge.Point(row["chunk_id"], row["vector"].to_list(), {"readers": row["readers"]}))
                if len(held) == BATCH:
                    shard.update(edge.UpdateOperation.upsert_points(held))
                    held = []
            if held:
                shard.update(edge.UpdateOperation.upsert_points(held))
        started = time.perf_counter()
        shard.optimize()
        seconds = time.perf_counter() - started
        shard.flush()
        return cls(shard), seconds

    @classmethod
    def opened(cls, directory: Path) -> "Engine":
        return cls(edge.EdgeShard.load(str(directory)))

    def nearest(self, vector: Floats, readers: Sequence[str], *, limit: int) -> list[UUID]:
        match = edge.FieldCondition(key="readers", match=edge.MatchAny(any=list(readers)))
        found: list[Any] = self._shard.query(
            edge.QueryRequest(
                limit=limit,
                query=edge.Query.Nearest(vector.tolist()),
                filter=edge.Filter(must=[match]),
                params=edge.SearchParams(hnsw_ef=EF_SEARCH),
            )
        )
        return [UUID(str(one.id)) for one in found]

    def points(self) -> int:
        return self._shard.count(edge.CountRequest(exact=True))

    def close(self) -> None:
        self._shard.close()
