"""What is done to files, written down: who, what and why. It outlives the files."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.files.repository import FileChangeRepository, FileRepository
from app.models.file import File, FileChange


def note(
    db: AsyncSession, file: File, *, actor_id: int | None, action: str, reason: str | None, **details: Any
) -> None:
    """In the unit of work that does it."""
    db.add(
        FileChange(
            file_id=file.id,
            uploader_id=file.uploader_id,
            actor_id=actor_id,
            action=action,
            reason=reason,
            details={"filename": file.filename, "sha256": file.sha256, "ticket_id": file.ticket_id, **details},
        )
    )


async def history(db: AsyncSession, who: Principal, file_id: UUID) -> Sequence[FileChange]:
    """The oldest first. Raises FileMissing for a file that is not and was not one that `who` may see."""
    changes = await FileChangeRepository(db, who).of_file(file_id)
    if not changes:
        await FileRepository(db, who).get(file_id)
    return changes


async def was_deleted(db: AsyncSession, who: Principal, file_id: UUID) -> bool:
    """Whether there was a file of this id that `who` might have deleted."""
    return await FileChangeRepository(db, who).says_deleted(file_id)
