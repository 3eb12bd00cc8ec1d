"""Where bytes are kept: a port with a directory and an S3 bucket behind it.

Keys are ours (never a person's file name) and are written once: a key that exists is complete.
"""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import IO, Protocol

from app.core.settings import Settings

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

    async def ping(self) -> None:
        """Raises StorageError when the store cannot be used."""
        ...


def _sync_and_close(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
    file.close()


class LocalStorage:
    """Objects as files below one directory; written to a draft, synced, then renamed, so a crash leaves no half."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _path(self, key: str) -> Path:
        path = (self.root / key).resolve()
        if not path.is_relative_to(self.root.resolve()):
            raise StorageError(f"key leaves the store: {key!r}")
        return path

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        path = self._path(key)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        size = 0
        file = await asyncio.to_thread(draft.open, "xb")
        try:
            async for chunk in chunks:
                await asyncio.to_thread(file.write, chunk)
                size += len(chunk)
            await asyncio.to_thread(_sync_and_close, file)
            await asyncio.to_thread(os.replace, draft, path)
        except BaseException:
            file.close()
            draft.unlink(missing_ok=True)
            raise
        return size

    async def read(self, key: str, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        try:
            file = await asyncio.to_thread(self._path(key).open, "rb")
        except FileNotFoundError:
            raise ObjectMissing(key) from None
        with file:
            file.seek(start)
            left = None if end is None else end - start
            while left is None or left > 0:
                chunk = await asyncio.to_thread(file.read, CHUNK if left is None else min(CHUNK, left))
                if not chunk:
                    return
                if left is not None:
                    left -= len(chunk)
                yield chunk

    @asynccontextmanager
    async def local_path(self, key: str) -> AsyncIterator[Path]:
        path = self._path(key)
        if not path.is_file():
            raise ObjectMissing(key)
        yield path

    async def delete(self, key: str) -> None:
        await asyncio.to_thread(self._path(key).unlink, missing_ok=True)

    async def ping(self) -> None:
        try:
            await asyncio.to_thread(self.root.mkdir, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"cannot use {self.root}: {error.strerror}") from error


def open_storage(settings: Settings) -> Storage:
    return LocalStorage(settings.data_dir / "files")
