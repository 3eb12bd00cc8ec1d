"""Resumable uploads as rows: announced, grown by durable pieces, made into a file with the last byte, or given up."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.core.clock import now
from app.core.settings import FileSettings
from app.files.errors import FileEmpty, UploadOffsetWrong, UploadTooFragmented
from app.files.repository.uploads import UploadRepository, pieces_of
from app.files.service import quota, uploading
from app.files.service.intake import Received, check_announced, check_size
from app.files.tus import Announcement
from app.models.file import File
from app.models.upload import ResumableUpload, UploadPiece
from app.tickets import service as tickets

MAX_PIECES = 10_000
"""As many as S3 takes parts; of whole pieces that is far more than a file may have."""


async def begin(
    db: AsyncSession, who: Principal, *, announced: Announcement, settings: FileSettings
) -> ResumableUpload:
    """Raises FileEmpty, FileTooLarge, FileTypeNotAllowed, TicketMissing, QuotaExceeded."""
    if announced.length == 0:
        raise FileEmpty
    check_size(settings, announced.length)
    check_announced(announced.filename, announced.filetype)
    if announced.ticket_id is not None:
        await tickets.get(db, who, announced.ticket_id)
    await quota.claim(db, who, announced.length, settings)
    upload = ResumableUpload(
        owner_id=who.user_id,
        ticket_id=announced.ticket_id,
        filename=announced.filename,
        filetype=announced.filetype,
        announced=announced.metadata,
        length=announced.length,
        received=0,
        expires_at=_expiry(settings),
    )
    db.add(upload)
    await db.flush()
    return upload


async def find(db: AsyncSession, who: Principal, upload_id: UUID) -> ResumableUpload:
    """Raises UploadMissing for one that is another's or has expired."""
    return await UploadRepository(db, who).get(upload_id)


async def pieces(db: AsyncSession, upload: ResumableUpload) -> Sequence[UploadPiece]:
    return await pieces_of(db, [upload.id])


async def grow(
    db: AsyncSession,
    who: Principal,
    upload_id: UUID,
    *,
    offset: int,
    stored: Collection[tuple[str, int]],
    settings: FileSettings,
) -> ResumableUpload:
    """Add stored objects (key, size) at `offset`. Of two who do so at once, the second raises UploadOffsetWrong."""
    upload = await _at(db, who, upload_id, offset)
    count = select(func.count()).where(UploadPiece.upload_id == upload_id)
    if (await db.execute(count)).scalar_one() + len(stored) > MAX_PIECES:
        raise UploadTooFragmented
    for key, size in stored:
        db.add(UploadPiece(upload_id=upload_id, start=upload.received, size=size, storage_key=key))
        upload.received += size
    upload.expires_at = _expiry(settings)
    await db.flush()
    return upload


async def finish(
    db: AsyncSession, who: Principal, upload_id: UUID, *, offset: int, received: Received, settings: FileSettings
) -> File:
    """The whole, as a file. The offset moves to the end and the file appears in one commit."""
    upload = await _at(db, who, upload_id, offset)
    await db.execute(delete(UploadPiece).where(UploadPiece.upload_id == upload_id))
    # Its own announcement makes room for the file.
    size, upload.expires_at = upload.length, upload.created_at
    await db.flush()
    file = await uploading.add(db, who, received, settings)
    upload.received, upload.file_id = size, file.id
    upload.expires_at = _expiry(settings)
    await db.flush()
    return file


async def give_up(db: AsyncSession, who: Principal, upload_id: UUID) -> list[str]:
    """Forget the upload; a file that it has become stays. Returns the keys of its pieces, which are to be deleted."""
    upload = await UploadRepository(db, who).get(upload_id, lock=True)
    return await _forget(db, [upload.id])


async def end_expired(db: AsyncSession, *, limit: int) -> list[str]:
    """Forget uploads that nobody has gone on with. Returns the keys of their pieces."""
    query = select(ResumableUpload.id).where(ResumableUpload.expires_at <= func.now()).limit(limit)
    return await _forget(db, (await db.execute(query.with_for_update(skip_locked=True))).scalars().all())


async def _forget(db: AsyncSession, upload_ids: Sequence[UUID]) -> list[str]:
    keys = [piece.storage_key for piece in await pieces_of(db, upload_ids)]
    await db.execute(delete(ResumableUpload).where(ResumableUpload.id.in_(upload_ids)))
    return keys


async def _at(db: AsyncSession, who: Principal, upload_id: UUID, offset: int) -> ResumableUpload:
    """Locked, and known to stand at `offset`."""
    upload = await UploadRepository(db, who).get(upload_id, lock=True)
    if upload.received != offset:
        raise UploadOffsetWrong
    return upload


def _expiry(settings: FileSettings) -> datetime:
    return now() + timedelta(hours=settings.upload_hours)
