"""Bytes of a resumable upload on their way: into the store in pieces, then into the row, and at the end into a file.

A piece counts only when the store has it and the row is committed, so a crash at any instruction leaves an offset that
is durable. Nobody holds a lock while bytes travel: of two who send at one offset, the first to commit wins and the
other is told where the upload stands. Objects that got no row are removed at once, or by `keeping` after a crash.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from app.core.auth import Principal
from app.core.clock import now
from app.core.errors import Problem
from app.core.resources import Resources
from app.core.storage import StorageError, discard
from app.core.telemetry import get_logger
from app.files import service as files
from app.files.errors import (
    FileTooLarge,
    FileTypeNotAllowed,
    StoreUnavailable,
    UploadOffsetWrong,
)
from app.files.service import resumable
from app.files.tus import Checksum
from app.models.base import uuid7
from app.models.upload import ResumableUpload

log = get_logger(__name__)

PIECES = "uploads"
"""Where pieces lie in the store."""


@dataclass(frozen=True, slots=True)
class Progress:
    offset: int
    length: int
    expires_at: datetime
    file_id: UUID | None


@dataclass(slots=True)
class _Piece:
    key: str
    size: int


@dataclass(slots=True)
class Appending:
    """One request's bytes, added to one upload."""

    resources: Resources
    who: Principal
    upload: ResumableUpload
    checksum: Checksum | None = None
    _waiting: list[_Piece] = field(default_factory=list)
    """Stored, and not yet in the row."""

    async def run(self, offset: int, body: AsyncIterator[bytes]) -> Progress:
        """Raises UploadOffsetWrong, ChecksumMismatch, FileTooLarge, and what the intake of a file does."""
        if offset != self.upload.received:
            raise UploadOffsetWrong
        last = b""
        try:
            async for data, whole in self._cut(body, self.upload.length - offset):
                if self.checksum is not None:
                    self.checksum.update(data)
                if whole:
                    last = data
                    break
                await self._store(data)
                if self.checksum is None:
                    await self._grow()
            if self.checksum is not None:
                self.checksum.check()
            if last:
                return await self._finish(last)
            await self._grow()
        except Problem:
            await discard(self.resources.storage, [piece.key for piece in self._waiting])
            raise
        return progress_of(self.upload)

    async def _cut(self, body: AsyncIterator[bytes], left: int) -> AsyncIterator[tuple[bytes, bool]]:
        """Pieces, and whether with this one the upload is whole. A body that breaks off gives what came of it."""
        size = self.resources.settings.files.piece_bytes
        held = bytearray()
        async for chunk in body:
            held += chunk
            if len(held) > left:
                raise FileTooLarge("The body goes on beyond Upload-Length.")
            while len(held) >= size and len(held) < left:
                yield bytes(held[:size]), False
                del held[:size]
                left -= size
        if held:
            yield bytes(held), len(held) == left

    async def _store(self, data: bytes) -> None:
        key = f"{PIECES}/{now():%Y/%m/%d}/{uuid7()}"
        try:
            await self.resources.storage.put(key, _one(data))
        except (StorageError, OSError) as error:
            log.warning("piece_not_stored", error=type(error).__name__)
            raise StoreUnavailable from error
        self._waiting.append(_Piece(key, len(data)))

    async def _grow(self) -> None:
        if not self._waiting:
            return
        async with self.resources.db.unit_of_work() as db:
            self.upload = await resumable.grow(
                db,
                self.who,
                self.upload.id,
                offset=self.upload.received,
                stored=[(piece.key, piece.size) for piece in self._waiting],
                settings=self.resources.settings.files,
            )
        self._waiting.clear()

    async def _finish(self, last: bytes) -> Progress:
        """All pieces and the last bytes through the same intake as any other file."""
        storage, settings, upload = self.resources.storage, self.resources.settings.files, self.upload
        async with self.resources.db.unit_of_work() as db:
            keys = [piece.storage_key for piece in await resumable.pieces(db, upload)]
        keys += [piece.key for piece in self._waiting]

        async def whole() -> AsyncIterator[bytes]:
            for key in keys:
                async for chunk in storage.read(key):
                    yield chunk
            yield last

        async with files.slot_in(storage) as slot:
            try:
                received = await files.receive_bytes(
                    storage,
                    settings,
                    whole(),
                    slot,
                    sent_name=upload.filename,
                    declared=upload.filetype,
                    ticket_id=upload.ticket_id,
                    started_at=upload.created_at,
                )
            except FileTypeNotAllowed:
                # Sent again, it would be refused again.
                async with self.resources.db.unit_of_work() as db:
                    keys = await resumable.give_up(db, self.who, upload.id)
                await discard(storage, keys)
                raise
            async with self.resources.db.unit_of_work() as db:
                file = await resumable.finish(
                    db, self.who, upload.id, offset=upload.received, received=received, settings=settings
                )
                expires_at = (await resumable.find(db, self.who, upload.id)).expires_at
                slot.kept = True
        self._waiting.clear()
        await discard(storage, keys)
        return Progress(upload.length, upload.length, expires_at, file.id)


def progress_of(upload: ResumableUpload) -> Progress:
    return Progress(upload.received, upload.length, upload.expires_at, upload.file_id)


async def _one(data: bytes) -> AsyncIterator[bytes]:
    yield data
