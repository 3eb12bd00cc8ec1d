"""The port, its errors, and what every caller needs of it."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol

from app.core.telemetry import get_logger

log = get_logger(__name__)

CHUNK = 1024 * 1024


class StorageError(Exception):
    """The store could not do it; trying again later may help."""


class ObjectMissing(StorageError):
    """There is no object under that key."""


class Storage(Protocol):
    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        """Store all chunks, or, if they or the store fail, nothing. Returns the size in bytes."""
        ...

    def read(self, key: str, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` to `end` (exclusive; None: to the last). Raises ObjectMissing."""
        ...

    def local_path(self, key: str) -> AbstractAsyncContextManager[Path]:
        """A path readable on this machine while the context is open. Raises ObjectMissing."""
        ...

    async def delete(self, key: str) -> None:
        """Nothing happens if there is no such object."""
        ...

    def listed(self, *, before: datetime) -> AsyncIterator[str]:
        """The keys of what was written before that time, also of what a crash left half-written, in no order."""
        ...

    async def ping(self) -> None:
        """Raises StorageError when the store cannot be used."""
        ...


async def chunked(content: bytes) -> AsyncIterator[bytes]:
    """What is in memory, to be put into a store."""
    for start in range(0, len(content), CHUNK):
        yield content[start : start + CHUNK]


async def chunks_of(path: Path) -> AsyncIterator[bytes]:
    """A file of this machine, to be put into a store."""
    with await asyncio.to_thread(path.open, "rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk


async def discard(storage: Storage, keys: Iterable[str]) -> None:
    """Delete objects that no row has any more. What cannot be deleted now is collected later: the day and the id in
    its key tell that it is old."""
    for key in keys:
        try:
            await storage.delete(key)
        except StorageError as error:
            log.warning("object_left_behind", key=key, error=type(error).__name__)
