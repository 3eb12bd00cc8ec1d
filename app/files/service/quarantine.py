"""Quarantine as administrators keep it: what is in it, and their word against the scan's."""

from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.core.clock import now
from app.core.pagination import Page
from app.files.errors import FileInWork, FileNotQuarantined
from app.files.repository import FileRepository, QuarantineRepository
from app.files.schemas import FileOut, PersonOut, QuarantinedOut
from app.files.service.history import note
from app.files.service.rendering import want_rendering
from app.jobs import service as jobs
from app.models.file import File, FileSegment, ProcessingStatus, ScanStatus
from app.models.user import User


async def quarantined(db: AsyncSession, who: Principal, *, cursor: str | None, limit: int) -> Page[QuarantinedOut]:
    page, people = await QuarantineRepository(db, who).newest(cursor=cursor, limit=limit)
    return Page([_shown(file, people[file.uploader_id]) for file in page.rows], page.next_cursor)


async def release(db: AsyncSession, who: Principal, file_id: UUID, *, reason: str) -> FileOut:
    """An administrator answers for the file: it is clean from now on, and is read. Raises FileNotQuarantined."""
    file = await FileRepository(db, who).get(file_id, lock=True)
    if file.scan_status != ScanStatus.QUARANTINED:
        raise FileNotQuarantined
    await _work_again(db, file)
    note(db, file, actor_id=who.user_id, action="released", reason=reason, found=file.error)
    file.scan_status, file.released_at = ScanStatus.CLEAN, now()
    file.error = None
    want_rendering(db, file)
    await db.flush()
    return FileOut.model_validate(file)


async def rescan(db: AsyncSession, who: Principal, file_id: UUID, *, reason: str) -> FileOut:
    """From the beginning, as if it came in just now: what was read of it goes, and nothing is given out till then.

    Raises:
        FileInWork: it has not been read to the end.
    """
    file = await FileRepository(db, who).get(file_id, lock=True)
    await _work_again(db, file)
    note(db, file, actor_id=who.user_id, action="rescanned", reason=reason, was=file.scan_status, found=file.error)
    file.scan_status, file.scanned_at, file.scanners, file.released_at = ScanStatus.RECEIVED, None, None, None
    file.text = file.error = file.confidence = file.analysis_type = None
    file.engine = file.engine_version = file.language = None
    file.details = {name: value for name, value in file.details.items() if name in ("format", "told_by")}
    await db.execute(delete(FileSegment).where(FileSegment.file_id == file.id))
    await db.flush()
    return FileOut.model_validate(file)


async def _work_again(db: AsyncSession, file: File) -> None:
    """Its own job once more, so that whoever watches that goes on watching."""
    if not await jobs.restart(db, file.job_id):
        raise FileInWork
    file.processing_status = ProcessingStatus.PENDING


def _shown(file: File, uploader: User) -> QuarantinedOut:
    return QuarantinedOut(
        id=file.id,
        job_id=file.job_id,
        filename=file.filename,
        file_type=file.file_type,
        file_size=file.file_size,
        sha256=file.sha256,
        ticket_id=file.ticket_id,
        uploader=PersonOut(id=uploader.id, username=uploader.username),
        reason=file.error,
        scanners=file.scanners,
        quarantined_at=file.scanned_at,
        created_at=file.created_at,
    )
