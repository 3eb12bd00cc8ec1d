"""Objects as files below one directory."""

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import IO

from app.core.storage.base import CHUNK, ObjectMissing, StorageError


def _sync_and_close(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
    file.close()


class LocalStorage:
    """Written to a draft, synced, then renamed, so a crash leaves no half."""

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

    async def listed(self, *, before: datetime) -> AsyncIterator[str]:
        folders = [self.root]
        while folders:
            inner, keys = await asyncio.to_thread(self._look, folders.pop(), before.timestamp())
            folders += inner
            for key in keys:
                yield key

    def _look(self, folder: Path, before: float) -> tuple[list[Path], list[str]]:
        """The folders in a folder, and the keys of its older files. What vanishes meanwhile is left out."""
        inner, keys = [], []
        with contextlib.suppress(FileNotFoundError):
            for path in folder.iterdir():
                if path.is_dir():
                    inner.append(path)
                elif path.stat().st_mtime < before:
                    keys.append(path.relative_to(self.root).as_posix())
        return inner, keys

    async def ping(self) -> None:
        try:
            await asyncio.to_thread(self.root.mkdir, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"cannot use {self.root}: {error.strerror}") from error
