"""The same bytes lie in the store once, whoever sent them, and nobody can tell.

An upload is always stored as its own object and never asks whether its bytes are known: neither its answer nor its time
depends on what others have. Only later, in a worker, a clean file takes over the object of an older one with the same
bytes, and leaves its own. How many files have an object is counted by their rows; there is no counter to go wrong. What
was read of it, its preview and its quota remain each file's own.
"""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import now
from app.files.events import FileObjectLeft
from app.files.repository import ProcessedFiles
from app.models.file import File, ScanStatus
from app.outbox import writer as outbox

LEFT_HOURS = 1
"""Whoever has read a file's row before has so long to open what it named."""
_LOCK = 1702257003
"""First half of the advisory locks; the second is of the bytes."""


async def share(db: AsyncSession, file_id: UUID) -> bool:
    """Whether the file took over another's object. Locks both rows, in the order of their ids.

    In the transaction that sets `rendered_at`: by it the next one knows that this file's object is there to stay.
    """
    files = ProcessedFiles(db)
    file = await files.unlocked(file_id)
    if file is None or file.scan_status != ScanStatus.CLEAN:
        return False
    # Of two files with the same bytes at once, each would take the other's object, or neither.
    await db.execute(select(func.pg_advisory_xact_lock(_LOCK, func.hashtext(file.sha256))))
    while (twin_id := await files.twin_of(file)) is not None:
        locked = await files.locked([file_id, twin_id])
        if file_id not in locked:
            return False
        if twin_id in locked and _alike(locked[file_id], locked[twin_id]):
            _take_over(db, locked[file_id], locked[twin_id])
            await db.flush()
            return True
        file = locked[file_id]
    return False


def _alike(file: File, twin: File) -> bool:
    """Still, now that nobody can change or delete them."""
    return file.storage_key != twin.storage_key and file.scan_status == twin.scan_status == ScanStatus.CLEAN


def _take_over(db: AsyncSession, file: File, twin: File) -> None:
    left, file.storage_key = file.storage_key, twin.storage_key
    outbox.add(db, FileObjectLeft(key=left), not_before=now() + timedelta(hours=LEFT_HOURS))
