"""An upload past us into the bucket: its addresses, and what makes a file of it. Bytes are read without any lock."""

from dataclasses import dataclass
from uuid import UUID

from app.core.auth import Principal
from app.core.clock import now
from app.core.direct_uploads import DirectUploads, direct_uploads, part_sizes
from app.core.resources import Resources
from app.core.storage import ObjectMissing, StorageError
from app.files import service as files
from app.files.errors import (
    DirectUploadDiffers,
    DirectUploadIncomplete,
    DirectUploadUnavailable,
    FileTypeNotAllowed,
    StoreUnavailable,
)
from app.files.schemas import DirectUploadIn, DirectUploadOut, FileOut, UploadPartOut
from app.files.service import direct
from app.files.service.keeping import drop_direct
from app.models.base import uuid7
from app.models.upload import DirectUpload


@dataclass(frozen=True, slots=True)
class Direct:
    resources: Resources
    who: Principal

    @property
    def bucket(self) -> DirectUploads:
        """Raises DirectUploadUnavailable."""
        found = direct_uploads(self.resources.storage, self.resources.settings.storage)
        if found is None:
            raise DirectUploadUnavailable
        return found

    async def begin(self, asked: DirectUploadIn) -> DirectUploadOut:
        """Raises DirectUploadUnavailable, StoreUnavailable, and what an announcement is refused for."""
        bucket, settings = self.bucket, self.resources.settings.files
        key = f"{now():%Y/%m/%d}/{uuid7()}"
        try:
            async with self.resources.db.unit_of_work() as db:
                await direct.announce(db, self.who, asked, settings)
                # What is begun and gets no row is invisible, and the bucket's own rule removes it.
                token = await bucket.begin(key)
                upload = await direct.begin(db, self.who, asked, key=key, token=token, settings=settings)
        except StorageError as error:
            raise StoreUnavailable from error
        return await self._shown(upload)

    async def find(self, upload_id: UUID) -> DirectUploadOut:
        """With new addresses. Raises UploadMissing."""
        async with self.resources.db.reading() as db:
            upload = await direct.find(db, self.who, upload_id)
        return await self._shown(upload)

    async def complete(self, upload_id: UUID) -> FileOut:
        """Raises UploadMissing, DirectUploadIncomplete, DirectUploadDiffers, and what the intake of a file does."""
        async with self.resources.db.reading() as db:
            upload = await direct.find(db, self.who, upload_id)
        file_id = upload.file_id or await self._made(upload)
        async with self.resources.db.reading() as db:
            return await files.get(db, self.who, file_id)

    async def give_up(self, upload_id: UUID) -> None:
        """Raises UploadMissing."""
        async with self.resources.db.unit_of_work() as db:
            upload = await direct.give_up(db, self.who, upload_id)
        if upload.file_id is None:
            await drop_direct(self.resources.storage, self.resources.settings.storage, upload.storage_key, upload.token)

    async def _made(self, upload: DirectUpload) -> UUID:
        await self._joined(upload)
        try:
            received = await files.receive_stored(
                self.resources.storage,
                upload.storage_key,
                sent_name=upload.filename,
                declared=upload.filetype,
                ticket_id=upload.ticket_id,
                started_at=upload.created_at,
            )
            _check(upload, received)
            async with self.resources.db.unit_of_work() as db:
                return await direct.finish(db, self.who, upload.id, received, self.resources.settings.files)
        except (DirectUploadDiffers, FileTypeNotAllowed):
            # Asked again, it would be refused again.
            await self.give_up(upload.id)
            raise

    async def _joined(self, upload: DirectUpload) -> None:
        """All parts as one object. One that is joined already, by another request or before a crash, stays so."""
        sizes = part_sizes(upload.length)
        try:
            sent = await self.bucket.sent(upload.storage_key, upload.token)
            wrong = [number for number, size in enumerate(sizes, 1) if sent.get(number, (0, ""))[0] != size]
            if wrong or len(sent) > len(sizes):
                raise DirectUploadIncomplete(parts=wrong)
            await self.bucket.finish(upload.storage_key, upload.token, sent)
        except ObjectMissing:
            return
        except StorageError as error:
            raise StoreUnavailable from error

    async def _shown(self, upload: DirectUpload) -> DirectUploadOut:
        parts: list[UploadPartOut] = []
        if upload.file_id is None:
            sizes = part_sizes(upload.length)
            seconds = self.resources.settings.files.presigned_seconds
            try:
                urls = await self.bucket.addresses(upload.storage_key, upload.token, sizes, seconds=seconds)
                sent = await self.bucket.sent(upload.storage_key, upload.token)
            except ObjectMissing:
                urls, sent = [], {}
            except StorageError as error:
                raise StoreUnavailable from error
            parts = [
                UploadPartOut(
                    number=number,
                    start=(number - 1) * sizes[0],
                    size=size,
                    url=url,
                    sent=sent.get(number, (0, ""))[0] == size,
                )
                for number, (size, url) in enumerate(zip(sizes, urls, strict=False), 1)
            ]
        return DirectUploadOut(upload_id=upload.id, expires_at=upload.expires_at, parts=parts, file_id=upload.file_id)


def _check(upload: DirectUpload, received: files.Received) -> None:
    """Raises DirectUploadDiffers."""
    if (received.size, received.sha256) != (upload.length, upload.sha256):
        raise DirectUploadDiffers
