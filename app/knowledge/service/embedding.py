"""Vectors of texts by the embedder of a set, and where the nearest are looked up."""

import asyncio
from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.core.resources import Resources, resources_of
from app.core.vectors.base import VectorIndex
from app.hosted import service as hosted
from app.inference.embedders import LOCAL, resolve_embedder
from app.inference.embedding import default_embedder
from app.inference.errors import ModelFailed, ModelUnavailable
from app.knowledge.repository import PgVectorIndex, Vectors

QUERY_SECONDS = 5.0
"""Somebody waits for a search: it goes on without vectors."""


async def embedded(
    resources: Resources | None, who: Principal, name: str, texts: Sequence[str], *, query: bool = False
) -> list[Any]:
    """One vector a text, in batches. A query is asked for once and not for long; passages have time.

    Raises ModelUnavailable and the other errors of `app.inference.errors`.
    """
    if name == LOCAL:
        batches = [list(texts[start : start + 64]) for start in range(0, len(texts), 64)]
        return [row for batch in batches for row in await asyncio.to_thread(default_embedder().embed, batch)]
    if resources is None:
        raise ModelUnavailable("A remote embedder is used by a running desk alone.")
    embedder = resolve_embedder(name, resources.settings)
    seconds = QUERY_SECONDS if query else resources.settings.knowledge.embed_seconds
    rows: list[Any] = []
    for start in range(0, len(texts), embedder.batch):
        batch = texts[start : start + embedder.batch]
        found = await hosted.embed_texts(
            resources, who, embedder=embedder, texts=batch, query=query, seconds=seconds, again=not query
        )
        rows.extend(found.vectors)
    return rows


async def query_vector(db: AsyncSession, who: Principal, vectors: Vectors, query: str) -> Any:
    """Raises as `embedded`, and ModelFailed when the embedder's vectors have another length than those stored."""
    vector = (await embedded(resources_of(db), who, vectors.name, [query], query=True))[0]
    if len(vector) != vectors.space.dimensions:
        raise ModelFailed("The embedder gives vectors of another length than before: embed the passages again.")
    return vector


def index_of(db: AsyncSession) -> VectorIndex:
    """The one that is set up, else the database itself."""
    resources = resources_of(db)
    return PgVectorIndex(db) if resources is None or resources.vectors is None else resources.vectors
