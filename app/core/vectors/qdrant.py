"""Qdrant: one collection a space, points by their chunk's id, who may read them in the payload."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from qdrant_client import AsyncQdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException

from app.core.settings import KnowledgeSettings
from app.core.vectors.base import Hit, IndexStats, IndexUnavailable, Point, Space

IN_MEMORY = ":memory:"
"""As the address: inside this process, comparing everything; for tests."""
_AWAY = (ApiException, QdrantException, OSError, ValueError)
"""Its local mode says with a ValueError that there is no such collection."""


def build(settings: KnowledgeSettings) -> "QdrantIndex":
    return QdrantIndex(settings)


class QdrantIndex:
    name = "qdrant"

    def __init__(self, settings: KnowledgeSettings) -> None:
        self._prefix = settings.index_prefix
        self._local = settings.index_url == IN_MEMORY
        key = settings.index_api_key
        self._client = (
            AsyncQdrantClient(location=IN_MEMORY)
            if self._local
            else AsyncQdrantClient(
                url=settings.index_url,
                api_key=None if key is None else key.get_secret_value(),
                timeout=max(1, round(settings.index_seconds)),
                check_compatibility=False,
            )
        )

    async def prepare(self, space: Space) -> None:
        name = self._collection(space)
        try:
            if await self._client.collection_exists(name):
                return
            size = models.VectorParams(size=space.dimensions, distance=models.Distance.COSINE)
            await self._client.create_collection(name, vectors_config=size)
            if not self._local:
                for field in ("readers", "document_id"):
                    await self._client.create_payload_index(name, field, models.PayloadSchemaType.KEYWORD)
        except _AWAY as error:
            raise _unavailable(error) from error

    async def upsert(self, space: Space, points: Sequence[Point]) -> None:
        if not points:
            return
        structs = [
            models.PointStruct(
                id=str(point.chunk_id),
                vector=[float(value) for value in point.vector],
                payload={
                    "document_id": str(point.document_id),
                    "version": point.version,
                    "readers": list(point.readers),
                },
            )
            for point in points
        ]
        try:
            await self._client.upsert(self._collection(space), points=structs, wait=True)
        except _AWAY as error:
            raise _unavailable(error) from error

    async def delete(self, space: Space, document_id: UUID, *, but: Collection[UUID] = ()) -> None:
        of_document = models.FieldCondition(key="document_id", match=models.MatchValue(value=str(document_id)))
        kept = models.HasIdCondition(has_id=[str(one) for one in but])
        others = models.Filter(must=[of_document], must_not=[kept] if but else None)
        try:
            chosen = models.FilterSelector(filter=others)
            await self._client.delete(self._collection(space), points_selector=chosen, wait=True)
        except _AWAY as error:
            raise _unavailable(error) from error

    async def nearest(
        self, space: Space, vector: Any, *, readers: Sequence[str] | None, limit: int, exact: bool = False
    ) -> list[Hit]:
        allowed = None
        if readers is not None:
            match = models.MatchAny(any=list(readers))
            allowed = models.Filter(must=[models.FieldCondition(key="readers", match=match)])
        try:
            found = await self._client.query_points(
                self._collection(space),
                query=[float(value) for value in vector],
                query_filter=allowed,
                limit=limit,
                # Its local mode compares everything, and complains.
                search_params=None if self._local else models.SearchParams(exact=exact),
                with_payload=False,
            )
        except _AWAY as error:
            raise _unavailable(error) from error
        return [Hit(UUID(str(point.id)), point.score) for point in found.points]

    async def stats(self, space: Space) -> IndexStats:
        try:
            counted = await self._client.count(self._collection(space), exact=True)
        except _AWAY as error:
            raise _unavailable(error) from error
        return IndexStats(self.name, counted.count, exact=self._local)

    async def drop(self, space: Space) -> None:
        try:
            await self._client.delete_collection(self._collection(space))
        except _AWAY as error:
            raise _unavailable(error) from error

    async def close(self) -> None:
        await self._client.close()

    def _collection(self, space: Space) -> str:
        return f"{self._prefix}_{space.id}"


def _unavailable(error: Exception) -> IndexUnavailable:
    status = getattr(error, "status_code", None)
    return IndexUnavailable(f"Qdrant: {type(error).__name__}{f' ({status})' if status else ''}")
