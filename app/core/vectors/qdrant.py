"""Qdrant: one collection a space, points by their chunk's id, who may read them in the payload.

A space's name is an alias of one of two collections, so that another can be filled beside it and take its place. What
was made before there were two is a collection of that name itself.
"""

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
        try:
            there, searched = await self._collections(space)
            if searched is None:
                await self._made(space, self._beside(space, None), there)
                await self._point(space, self._beside(space, None), instead_of=None)
        except _AWAY as error:
            raise _unavailable(error) from error

    async def begin(self, space: Space) -> None:
        await self.prepare(space)
        try:
            there, searched = await self._collections(space)
            other = self._beside(space, searched)
            if other in there:
                await self._client.delete_collection(other)
            await self._made(space, other, ())
        except _AWAY as error:
            raise _unavailable(error) from error

    async def switch(self, space: Space) -> None:
        try:
            there, searched = await self._collections(space)
            other = self._beside(space, searched)
            if searched is None or other not in there:
                return
            if searched == self._name(space):
                # The alias can only be made when nothing has its name; for that moment words must be enough.
                await self._client.delete_collection(searched)
                await self._point(space, other, instead_of=None)
            else:
                await self._point(space, other, instead_of=searched)
                await self._client.delete_collection(searched)
        except _AWAY as error:
            raise _unavailable(error) from error

    async def _made(self, space: Space, name: str, there: Collection[str]) -> None:
        if name in there:
            return
        size = models.VectorParams(size=space.dimensions, distance=models.Distance.COSINE)
        await self._client.create_collection(name, vectors_config=size)
        if not self._local:
            for field in ("readers", "document_id"):
                await self._client.create_payload_index(name, field, models.PayloadSchemaType.KEYWORD)

    async def _point(self, space: Space, collection: str, *, instead_of: str | None) -> None:
        alias = self._name(space)
        new = models.CreateAlias(collection_name=collection, alias_name=alias)
        changes: list[models.AliasOperations] = [models.CreateAliasOperation(create_alias=new)]
        if instead_of is not None:
            changes.insert(0, models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias)))
        await self._client.update_collection_aliases(changes)

    async def _collections(self, space: Space) -> tuple[list[str], str | None]:
        """Those that hold points of the space, and the one of them that is searched."""
        name = self._name(space)
        listed = {one.name for one in (await self._client.get_collections()).collections}
        there = [one for one in (name, *self._pair(space)) if one in listed]
        if name in there:
            return there, name
        aliases = (await self._client.get_aliases()).aliases
        return there, next((one.collection_name for one in aliases if one.alias_name == name), None)

    async def _written(self, space: Space) -> list[str]:
        there, _ = await self._collections(space)
        if not there:
            raise IndexUnavailable(f"Qdrant: there is no {self._name(space)}")
        return there

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
            for collection in await self._written(space):
                await self._client.upsert(collection, points=structs, wait=True)
        except _AWAY as error:
            raise _unavailable(error) from error

    async def delete(self, space: Space, document_id: UUID, *, but: Collection[UUID] = ()) -> None:
        of_document = models.FieldCondition(key="document_id", match=models.MatchValue(value=str(document_id)))
        kept = models.HasIdCondition(has_id=[str(one) for one in but])
        others = models.Filter(must=[of_document], must_not=[kept] if but else None)
        try:
            chosen = models.FilterSelector(filter=others)
            for collection in await self._written(space):
                await self._client.delete(collection, points_selector=chosen, wait=True)
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
                self._name(space),
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
            counted = await self._client.count(self._name(space), exact=True)
        except _AWAY as error:
            raise _unavailable(error) from error
        return IndexStats(self.name, counted.count, exact=self._local)

    async def drop(self, space: Space) -> None:
        try:
            there, _ = await self._collections(space)
            for collection in there:
                await self._client.delete_collection(collection)
        except _AWAY as error:
            raise _unavailable(error) from error

    async def close(self) -> None:
        await self._client.close()

    def _name(self, space: Space) -> str:
        return f"{self._prefix}_{space.id}"

    def _pair(self, space: Space) -> tuple[str, str]:
        return f"{self._name(space)}_a", f"{self._name(space)}_b"

    def _beside(self, space: Space, searched: str | None) -> str:
        first, second = self._pair(space)
        return second if searched == first else first


def _unavailable(error: Exception) -> IndexUnavailable:
    status = getattr(error, "status_code", None)
    return IndexUnavailable(f"Qdrant: {type(error).__name__}{f' ({status})' if status else ''}")
