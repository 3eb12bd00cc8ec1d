"""Making a file known: its row, its job and what its watchers are told, in one unit of work."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.core.clock import now
from app.core.settings import FileSettings
from app.files.events import FileUploadCompleted, FileUploadStarted
from app.files.repository import FileRepository, ProcessedFiles
from app.files.service import quota
from app.files.service.history import note
from app.files.service.intake import Received
from app.jobs import service as jobs
from app.models.file import File, ProcessingStatus
from app.outbox import writer as outbox
from app.tickets import service as tickets

JOB_KIND = "files.recognise"


async def add(db: AsyncSession, who: Principal, received: Received, settings: FileSettings) -> File:
    """Raises TicketMissing for a ticket that `who` may not see, QuotaExceeded."""
    if received.ticket_id is not None:
        await tickets.get(db, who, received.ticket_id)
    await quota.claim(db, who, received.size, settings)
    job = jobs.create(db, kind=JOB_KIND, subject=str(received.file_id))
    await db.flush()
    file = File(
        id=received.file_id,
        uploader_id=who.user_id,
        ticket_id=received.ticket_id,
        job_id=job.id,
        **received.columns(),
        processing_status=ProcessingStatus.PENDING,
        details={"format": received.content.label, "told_by": received.content.reason},
    )
    db.add(file)
    await db.flush()
    about = {"file_id": file.id, "job_id": job.id, "filename": file.filename}
    outbox.add(db, FileUploadStarted(**about, timestamp=received.started_at))
    outbox.add(db, FileUploadCompleted(**about, file_size=file.file_size, timestamp=now()))
    return file


async def attach(db: AsyncSession, who: Principal, file_ids: Collection[UUID], *, ticket_id: int) -> Sequence[File]:
    """Hang files on a ticket; those already on it stay, those on another one move only if `who` is staff.

    Raises:
        FileMissing, TicketMissing: for what `who` may not see; a customer may not move a file between tickets.
    """
    await tickets.get(db, who, ticket_id)
    files = FileRepository(db, who)
    attached: list[File] = []
    for file_id in sorted(set(file_ids)):
        file = await files.get(file_id, lock=True)
        if file.ticket_id not in (None, ticket_id) and not who.is_staff:
            raise files.missing
        file.ticket_id = ticket_id
        attached.append(file)
    await db.flush()
    return attached


async def reassign(db: AsyncSession, file_ids: Collection[UUID], *, to: Principal, actor_id: int) -> None:
    """Give files that came under the wrong name to another person; they hang on no ticket then."""
    for file in (await ProcessedFiles(db).locked([*file_ids])).values():
        file.uploader_id, file.ticket_id = to.user_id, None
        note(db, file, actor_id=actor_id, action="reassigned", reason=None)
    await db.flush()
