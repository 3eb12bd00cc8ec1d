"""What an index of vectors is asked, whoever answers."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID


class IndexUnavailable(Exception):
    """The index cannot be reached, or does not do what it is asked; the words say which and never quote a passage."""


@dataclass(frozen=True, slots=True)
class Space:
    """Vectors that may be compared with each other: those of one embedder, all of one length."""

    id: int
    dimensions: int


@dataclass(frozen=True, slots=True)
class Point:
    chunk_id: UUID
    document_id: UUID
    version: int
    readers: tuple[str, ...]
    """Who may find it: any one of them."""
    vector: Any
    """Float32 of length one, `space.dimensions` of them."""


@dataclass(frozen=True, slots=True)
class Hit:
    chunk_id: UUID
    cosine: float


@dataclass(frozen=True, slots=True)
class IndexStats:
    index: str
    points: int
    exact: bool
    """Every search compares all vectors; else only those that a graph leads to."""


class VectorIndex(Protocol):
    """Raises IndexUnavailable everywhere. Each call may be repeated: what is there already is not there twice."""

    name: str

    async def prepare(self, space: Space) -> None:
        """Before the first point of a space."""

    async def upsert(self, space: Space, points: Sequence[Point]) -> None:
        """By `chunk_id`: a point that is there is replaced."""

    async def delete(self, space: Space, document_id: UUID, *, but: Collection[UUID] = ()) -> None:
        """Every point of a document, of whichever version, except these."""

    async def nearest(
        self, space: Space, vector: Any, *, readers: Sequence[str] | None, limit: int, exact: bool = False
    ) -> list[Hit]:
        """Nearest first, among points that one of `readers` may find; None: among all. `exact`: all are compared."""

    async def begin(self, space: Space) -> None:
        """An empty one of the space beside the one that is searched: from now on both are written. One that an earlier
        attempt left is thrown away."""

    async def switch(self, space: Space) -> None:
        """From now on the one that was begun is searched, and the other is gone; without one, nothing happens."""

    async def stats(self, space: Space) -> IndexStats: ...

    async def drop(self, space: Space) -> None:
        """The space with all its points; one that is not there is no error."""

    async def close(self) -> None: ...
