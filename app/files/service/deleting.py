"""The end of a file: its row, text and segments go in one commit, its bytes and what was made of them by the outbox."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete as delete_rows
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal, Role
from app.core.clock import now
from app.files.errors import FileMissing, FileNotYours
from app.files.events import FileDeleted
from app.files.repository import FileRepository, ProcessedFiles
from app.files.service.history import note, was_deleted
from app.models.file import File
from app.outbox import writer as outbox


async def delete(db: AsyncSession, who: Principal, file_id: UUID) -> None:
    """By its uploader or an administrator, whatever its state. Nothing happens the second time.

    Raises:
        FileMissing, FileNotYours.
    """
    try:
        file = await FileRepository(db, who).get(file_id, lock=True)
    except FileMissing:
        if await was_deleted(db, who, file_id):
            return
        raise
    if file.uploader_id != who.user_id and who.role is not Role.ADMIN:
        raise FileNotYours
    await end(db, [file], actor_id=who.user_id, action="deleted", reason=None)


async def end(
    db: AsyncSession, files: Sequence[File], *, actor_id: int | None, action: str, reason: str | None
) -> None:
    """Files that the caller has locked. A worker that has one finds it gone, and keeps nothing of it."""
    parts = await ProcessedFiles(db).keys_of_parts([file.id for file in files])
    for file in files:
        keys = file.keys + [key for file_id, key in parts if file_id == file.id]
        note(db, file, actor_id=actor_id, action=action, reason=reason)
        outbox.add(
            db,
            FileDeleted(file_id=file.id, job_id=file.job_id, filename=file.filename, keys=keys, timestamp=now()),
        )
    await db.execute(
        delete_rows(File).where(File.id.in_([file.id for file in files])),
        execution_options={"synchronize_session": False},
    )
    for file in files:
        db.expunge(file)
