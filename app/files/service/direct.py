"""Uploads straight into the bucket, as rows: announced, and made into a file once their bytes were verified."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.core.clock import now
from app.core.settings import FileSettings
from app.files.repository.uploads import DirectUploadRepository
from app.files.schemas import DirectUploadIn
from app.files.service import quota, uploading
from app.files.service.intake import Received, check_announced, check_size
from app.models.file import File
from app.models.upload import DirectUpload
from app.tickets import service as tickets


async def announce(db: AsyncSession, who: Principal, asked: DirectUploadIn, settings: FileSettings) -> None:
    """Raises FileTooLarge, FileTypeNotAllowed, TicketMissing, QuotaExceeded; others wait with theirs till the end."""
    check_size(settings, asked.size)
    check_announced(asked.filename, asked.filetype)
    if asked.ticket_id is not None:
        await tickets.get(db, who, asked.ticket_id)
    await quota.claim(db, who, asked.size, settings)


async def begin(
    db: AsyncSession, who: Principal, asked: DirectUploadIn, *, key: str, token: str, settings: FileSettings
) -> DirectUpload:
    upload = DirectUpload(
        owner_id=who.user_id,
        ticket_id=asked.ticket_id,
        filename=asked.filename,
        filetype=asked.filetype,
        length=asked.size,
        sha256=asked.sha256.lower(),
        storage_key=key,
        token=token,
        expires_at=now() + timedelta(hours=settings.upload_hours),
    )
    db.add(upload)
    await db.flush()
    return upload


async def find(db: AsyncSession, who: Principal, upload_id: UUID) -> DirectUpload:
    """Raises UploadMissing for one that is another's or has expired."""
    return await DirectUploadRepository(db, who).get(upload_id)


async def finish(db: AsyncSession, who: Principal, upload_id: UUID, received: Received, settings: FileSettings) -> UUID:
    """The file's id. Of two that finish at once the second is given the first one's file."""
    upload = await DirectUploadRepository(db, who).get(upload_id, lock=True)
    if upload.file_id is not None:
        return upload.file_id
    # Its own announcement makes room for the file.
    expires_at, upload.expires_at = upload.expires_at, upload.created_at
    await db.flush()
    file: File = await uploading.add(db, who, received, settings)
    upload.file_id, upload.expires_at = file.id, expires_at
    await db.flush()
    return file.id


async def give_up(db: AsyncSession, who: Principal, upload_id: UUID) -> DirectUpload:
    """Forget the upload; a file that it has become stays. What is in the bucket is the caller's to remove."""
    upload = await DirectUploadRepository(db, who).get(upload_id, lock=True)
    await db.execute(delete(DirectUpload).where(DirectUpload.id == upload.id))
    return upload


async def end_expired(db: AsyncSession, *, limit: int) -> Sequence[tuple[str, str, bool]]:
    """Forget uploads that nobody completed: key and token of each, and whether it has become a file."""
    due = select(DirectUpload.id).where(DirectUpload.expires_at <= func.now()).limit(limit)
    gone = await db.execute(
        delete(DirectUpload)
        .where(DirectUpload.id.in_(due.with_for_update(skip_locked=True)))
        .returning(DirectUpload.storage_key, DirectUpload.token, DirectUpload.file_id)
        .execution_options(synchronize_session=False)
    )
    return [(key, token, file_id is not None) for key, token, file_id in gone.all()]
