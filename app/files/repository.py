"""Files as their viewer may see them: staff all, others what they sent and what hangs on their tickets."""

from collections.abc import Sequence
from typing import NewType
from uuid import UUID

from sqlalchemy import Select, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.pagination import Page
from app.core.repository import Repository
from app.files.errors import FileMissing, FileNotScanned, FileQuarantined
from app.files.schemas import FileQuery
from app.models.file import File, FileSegment, ScanStatus
from app.models.job import Job
from app.models.ticket import Ticket

CleanFile = NewType("CleanFile", File)
"""A file whose content may be shown; `FileRepository.clean` alone makes one."""


class FileRepository(Repository[File]):
    model = File
    missing = FileMissing

    def visible(self) -> Select[File]:
        query = select(File)
        if self.who.is_staff:
            return query
        own = select(Ticket.id).where(Ticket.requester_id == self.who.user_id, Ticket.deleted_at.is_(None))
        return query.where(or_(File.uploader_id == self.who.user_id, File.ticket_id.in_(own)))

    async def search(self, asked: FileQuery) -> Page[File]:
        """The newest first."""
        query = self.visible()
        if asked.ticket_id is not None:
            query = query.where(File.ticket_id == asked.ticket_id)
        if asked.processing_status is not None:
            query = query.where(File.processing_status == asked.processing_status)
        if asked.sha256 is not None:
            query = query.where(File.sha256 == asked.sha256.lower())
        return await self.page(query, cursor=asked.cursor, limit=asked.limit)

    async def with_job(self, file_id: UUID) -> tuple[File, Job]:
        file = await self.get(file_id)
        return file, (await self.db.execute(select(Job).where(Job.id == file.job_id))).scalar_one()

    async def by_job(self, job_id: UUID) -> tuple[File, Job]:
        """For those who know a file by its job."""
        query = self.visible().add_columns(Job).join(Job, Job.id == File.job_id).where(File.job_id == job_id)
        row = (await self.db.execute(query)).one_or_none()
        if row is None:
            raise FileMissing
        return row[0], row[1]

    async def clean(self, file_id: UUID) -> CleanFile:
        """The only way to a file's bytes, text or preview. Raises FileNotScanned or FileQuarantined."""
        file = await self.get(file_id)
        if file.scan_status == ScanStatus.QUARANTINED:
            raise FileQuarantined
        if file.scan_status != ScanStatus.CLEAN:
            raise FileNotScanned
        return CleanFile(file)

    async def text_of(self, file: CleanFile) -> str | None:
        return (await self.db.execute(select(File.text).where(File.id == file.id))).scalar_one()

    async def segments_of(self, file: CleanFile) -> Sequence[FileSegment]:
        query = select(FileSegment).where(FileSegment.file_id == file.id).order_by(FileSegment.position)
        return (await self.db.execute(query)).scalars().all()


class ProcessedFiles:
    """Files as the worker that holds their job finds them, whoever sent them."""

    def __init__(self, db: AsyncSession) -> None:
        self.db = db

    async def of_job(self, job_id: UUID) -> File | None:
        """Locked until the unit of work ends."""
        query = select(File).where(File.job_id == job_id).with_for_update()
        return (await self.db.execute(query)).scalar_one_or_none()
