"""OpenSearch: one index a space with a k-NN field of Lucene's, which filters while it walks its graph.

A space's name is an alias of one of two indices, so that another can be filled beside it and take its place. What was
made before there were two is an index of that name itself.
"""

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
        try:
            there, searched = await self._indices(space)
            if searched is None:
                first = self._beside(space, None)
                await self._made(space, first, there)
                await self._client.indices.put_alias(index=first, name=self._name(space))
        except _AWAY as error:
            raise _unavailable(error) from error

    async def begin(self, space: Space) -> None:
        await self.prepare(space)
        try:
            there, searched = await self._indices(space)
            other = self._beside(space, searched)
            if other in there:
                await self._client.indices.delete(index=other)
            await self._made(space, other, ())
        except _AWAY as error:
            raise _unavailable(error) from error

    async def switch(self, space: Space) -> None:
        try:
            there, searched = await self._indices(space)
            other = self._beside(space, searched)
            if searched is None or other not in there:
                return
            named = {"add": {"index": other, "alias": self._name(space)}}
            await self._client.indices.update_aliases(body={"actions": [named, {"remove_index": {"index": searched}}]})
        except _AWAY as error:
            raise _unavailable(error) from error

    async def _made(self, space: Space, name: str, there: Collection[str]) -> None:
        if name in there:
            return
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
        try:
            await self._client.indices.create(index=name, body=body)
        except RequestError as error:
            # Another process was quicker.
            if error.error != "resource_already_exists_exception":
                raise

    async def _indices(self, space: Space) -> tuple[list[str], str | None]:
        """Those that hold points of the space, and the one of them that is searched."""
        name = self._name(space)
        asked = ",".join((name, *self._pair(space)))
        found: dict[str, Any] = await self._client.indices.get_alias(index=asked, params={"ignore_unavailable": "true"})
        there = sorted(found)
        if name in found:
            return there, name
        return there, next((one for one in there if name in found[one]["aliases"]), None)

    async def _written(self, space: Space) -> list[str]:
        there, _ = await self._indices(space)
        if not there:
            raise IndexUnavailable(f"OpenSearch: there is no {self._name(space)}")
        return there

    async def upsert(self, space: Space, points: Sequence[Point]) -> None:
        if not points:
            return
        documents = [
            {
                "vector": [float(value) for value in point.vector],
                "document_id": str(point.document_id),
                "version": point.version,
                "readers": list(point.readers),
            }
            for point in points
        ]
        try:
            lines: list[dict[str, Any]] = []
            for index in await self._written(space):
                for point, document in zip(points, documents, strict=True):
                    lines += [{"index": {"_index": index, "_id": str(point.chunk_id)}}, document]
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
        try:
            name = ",".join(await self._written(space))
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
                index=self._name(space), body={"size": limit, "query": query, "_source": False}
            )
        except _AWAY as error:
            raise _unavailable(error) from error
        # Scores are 1 + cosine from the script, half of that from the graph.
        scale = 1.0 if exact else 2.0
        return [Hit(UUID(hit["_id"]), scale * hit["_score"] - 1.0) for hit in answer["hits"]["hits"]]

    async def stats(self, space: Space) -> IndexStats:
        name = self._name(space)
        try:
            await self._client.indices.refresh(index=name)
            counted = await self._client.count(index=name)
        except _AWAY as error:
            raise _unavailable(error) from error
        return IndexStats(self.name, counted["count"], exact=False)

    async def drop(self, space: Space) -> None:
        try:
            there, _ = await self._indices(space)
            if there:
                await self._client.indices.delete(index=",".join(there))
        except NotFoundError:
            return
        except _AWAY as error:
            raise _unavailable(error) from error

    async def close(self) -> None:
        await self._client.close()

    def _name(self, space: Space) -> str:
        return f"{self._prefix}-{space.id}"

    def _pair(self, space: Space) -> tuple[str, str]:
        return f"{self._name(space)}-a", f"{self._name(space)}-b"

    def _beside(self, space: Space, searched: str | None) -> str:
        first, second = self._pair(space)
        return second if searched == first else first


def _unavailable(error: Exception) -> IndexUnavailable:
    status = getattr(error, "status_code", None)
    return IndexUnavailable(f"OpenSearch: {type(error).__name__}{f' ({status})' if status else ''}")
