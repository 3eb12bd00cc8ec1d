"""OpenSearch: one index a space with a k-NN field of Lucene's, which filters while it walks its graph."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from opensearchpy import AsyncOpenSearch
from opensearchpy.exceptions import NotFoundError, OpenSearchException, RequestError

from app.core.settings import KnowledgeSettings
from app.core.vectors.base import Hit, IndexStats, IndexUnavailable, Point, Space

_AWAY = (OpenSearchException, OSError)


def build(settings: KnowledgeSettings) -> "OpenSearchIndex":
    return OpenSearchIndex(settings)


class OpenSearchIndex:
    name = "opensearch"

    def __init__(self, settings: KnowledgeSettings) -> None:
        self._prefix = settings.index_prefix
        key = settings.index_api_key
        user, _, password = ("" if key is None else key.get_secret_value()).partition(":")
        self._client = AsyncOpenSearch(
            hosts=[settings.index_url],
            http_auth=(user, password) if user else None,
            timeout=settings.index_seconds,
            # Whoever calls decides about another attempt.
            max_retries=0,
        )

    async def prepare(self, space: Space) -> None:
        method = {"name": "hnsw", "space_type": "cosinesimil", "engine": "lucene"}
        body = {
            "settings": {"index": {"knn": True}},
            "mappings": {
                "dynamic": "strict",
                "properties": {
                    "vector": {"type": "knn_vector", "dimension": space.dimensions, "method": method},
                    "readers": {"type": "keyword"},
                    "document_id": {"type": "keyword"},
                    "version": {"type": "integer"},
                },
            },
        }
        name = self._index(space)
        try:
            if not await self._client.indices.exists(index=name):
                await self._client.indices.create(index=name, body=body)
        except RequestError as error:
            # Another process was quicker.
            if error.error != "resource_already_exists_exception":
                raise _unavailable(error) from error
        except _AWAY as error:
            raise _unavailable(error) from error

    async def upsert(self, space: Space, points: Sequence[Point]) -> None:
        if not points:
            return
        lines: list[dict[str, Any]] = []
        for point in points:
            lines += [
                {"index": {"_index": self._index(space), "_id": str(point.chunk_id)}},
                {
                    "vector": [float(value) for value in point.vector],
                    "document_id": str(point.document_id),
                    "version": point.version,
                    "readers": list(point.readers),
                },
            ]
        try:
            answer = await self._client.bulk(body=lines)
        except _AWAY as error:
            raise _unavailable(error) from error
        if answer["errors"]:
            raise IndexUnavailable("OpenSearch: refused a part of the passages")

    async def delete(self, space: Space, document_id: UUID, *, but: Collection[UUID] = ()) -> None:
        query = {
            "bool": {
                "filter": [{"term": {"document_id": str(document_id)}}],
                "must_not": [{"ids": {"values": [str(one) for one in but]}}],
            }
        }
        name = self._index(space)
        try:
            # What was written within the last second is not seen otherwise.
            await self._client.indices.refresh(index=name)
            await self._client.delete_by_query(index=name, body={"query": query}, params={"conflicts": "proceed"})
        except _AWAY as error:
            raise _unavailable(error) from error

    async def nearest(
        self, space: Space, vector: Any, *, readers: Sequence[str] | None, limit: int, exact: bool = False
    ) -> list[Hit]:
        asked = [float(value) for value in vector]
        allowed = {"match_all": {}} if readers is None else {"terms": {"readers": list(readers)}}
        query: dict[str, Any]
        if exact:
            how = {"field": "vector", "query_value": asked, "space_type": "cosinesimil"}
            script = {"source": "knn_score", "lang": "knn", "params": how}
            query = {"script_score": {"query": allowed, "script": script}}
        else:
            query = {"knn": {"vector": {"vector": asked, "k": limit, "filter": allowed}}}
        try:
            answer = await self._client.search(
                index=self._index(space), body={"size": limit, "query": query, "_source": False}
            )
        except _AWAY as error:
            raise _unavailable(error) from error
        # Scores are 1 + cosine from the script, half of that from the graph.
        scale = 1.0 if exact else 2.0
        return [Hit(UUID(hit["_id"]), scale * hit["_score"] - 1.0) for hit in answer["hits"]["hits"]]

    async def stats(self, space: Space) -> IndexStats:
        name = self._index(space)
        try:
            await self._client.indices.refresh(index=name)
            counted = await self._client.count(index=name)
        except _AWAY as error:
            raise _unavailable(error) from error
        return IndexStats(self.name, counted["count"], exact=False)

    async def drop(self, space: Space) -> None:
        try:
            await self._client.indices.delete(index=self._index(space))
        except NotFoundError:
            return
        except _AWAY as error:
            raise _unavailable(error) from error

    async def close(self) -> None:
        await self._client.close()

    def _index(self, space: Space) -> str:
        return f"{self._prefix}-{space.id}"


def _unavailable(error: Exception) -> IndexUnavailable:
    status = getattr(error, "status_code", None)
    return IndexUnavailable(f"OpenSearch: {type(error).__name__}{f' ({status})' if status else ''}")
