"""Files as their viewer may see them: staff all, others what they sent and what hangs on their tickets."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, NewType
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Uuid, and_, any_, false, func, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal, Role
from app.core.pagination import Page
from app.core.repository import Repository
from app.files.errors import FileMissing, FileNotScanned, FileQuarantined
from app.files.schemas import FileQuery
from app.models.file import File, FileChange, FileSegment, ProcessingStatus, ScanStatus
from app.models.file_part import FilePart, PartState
from app.models.job import Job, JobState
from app.models.ticket import Ticket, TicketStatus
from app.models.user import User

ENDINGS = ("deleted", "expired")
MOST_CHANGES = 1000

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


async def seen(db: AsyncSession, asked: Collection[tuple[Principal, UUID]]) -> set[tuple[Principal, UUID]]:
    """Which of these people may see the file of which job, in one query: the rule of `FileRepository.visible`."""
    query = (
        select(File.job_id, File.uploader_id, Ticket.requester_id)
        .outerjoin(Ticket, and_(Ticket.id == File.ticket_id, Ticket.deleted_at.is_(None)))
        .where(File.job_id == any_(literal(list({job_id for _, job_id in asked}), ARRAY(Uuid))))
    )
    owners = {row.job_id: {row.uploader_id, row.requester_id} for row in await db.execute(query)}
    return {
        (who, job_id) for who, job_id in asked if job_id in owners and (who.is_staff or who.user_id in owners[job_id])
    }


class QuarantineRepository(Repository[File]):
    """Harmful files, as administrators see them; nobody else sees any here."""

    model = File
    missing = FileMissing

    def visible(self) -> Select[File]:
        query = select(File).where(File.scan_status == ScanStatus.QUARANTINED)
        return query if self.who.role is Role.ADMIN else query.where(false())

    async def newest(self, *, cursor: str | None, limit: int) -> tuple[Page[File], dict[int, User]]:
        """And who sent them."""
        page = await self.page(self.visible(), cursor=cursor, limit=limit)
        people = select(User).where(User.id.in_({file.uploader_id for file in page.rows}))
        return page, {person.id: person for person in (await self.db.execute(people)).scalars()}


class FileChangeRepository(Repository[FileChange]):
    """What was done to files: administrators see all, others what was done to theirs."""

    model = FileChange

    def visible(self) -> Select[FileChange]:
        query = select(FileChange)
        return query if self.who.role is Role.ADMIN else query.where(FileChange.uploader_id == self.who.user_id)

    async def of_file(self, file_id: UUID) -> Sequence[FileChange]:
        query = self.visible().where(FileChange.file_id == file_id).order_by(FileChange.id).limit(MOST_CHANGES)
        return (await self.db.execute(query)).scalars().all()

    async def says_deleted(self, file_id: UUID) -> bool:
        query = self.visible().where(FileChange.file_id == file_id, FileChange.action.in_(ENDINGS)).limit(1)
        return (await self.db.execute(query)).first() is not None


class ProcessedFiles:
    """Files as the worker that holds their job finds them, whoever sent them."""

    def __init__(self, db: AsyncSession) -> None:
        self.db = db

    async def of_job(self, job_id: UUID) -> File | None:
        """Locked until the unit of work ends."""
        query = select(File).where(File.job_id == job_id).with_for_update()
        return (await self.db.execute(query)).scalar_one_or_none()

    async def with_part(self, part_job_id: UUID) -> File | None:
        """The file of a part, by the part's job; locked until the unit of work ends."""
        mine = select(FilePart.file_id).where(FilePart.job_id == part_job_id).scalar_subquery()
        query = select(File).where(File.id == mine).with_for_update()
        return (await self.db.execute(query)).scalar_one_or_none()

    async def part_of_job(self, job_id: UUID) -> FilePart | None:
        return (await self.db.execute(select(FilePart).where(FilePart.job_id == job_id))).scalar_one_or_none()

    async def parts_of(self, file_id: UUID) -> Sequence[FilePart]:
        query = select(FilePart).where(FilePart.file_id == file_id).order_by(FilePart.position)
        return (await self.db.execute(query)).scalars().all()

    async def abandoned(self, limit: int) -> list[tuple[File, Job]]:
        """Open files whose job has failed, locked; those that somebody else holds just now are left out."""
        query = (
            select(File, Job)
            .join(Job, Job.id == File.job_id)
            .where(
                File.processing_status.in_((ProcessingStatus.PENDING, ProcessingStatus.PROCESSING)),
                Job.state == JobState.FAILED,
            )
            .order_by(File.id)
            .limit(limit)
            .with_for_update(of=File, skip_locked=True)
        )
        return [(row[0], row[1]) for row in await self.db.execute(query)]

    async def abandoned_parts(self, limit: int) -> Sequence[Job]:
        """Jobs of parts that have failed though their part waits still."""
        query = select(Job).join(FilePart, FilePart.job_id == Job.id)
        query = query.where(FilePart.state == PartState.WAITING, Job.state == JobState.FAILED).limit(limit)
        return (await self.db.execute(query)).scalars().all()

    async def keys_of_parts(self, file_ids: Collection[UUID]) -> list[tuple[UUID, str]]:
        """Of what is still to be transcribed."""
        query = select(FilePart.file_id, FilePart.storage_key).where(FilePart.file_id.in_(file_ids))
        return [(file_id, key) for file_id, key in (await self.db.execute(query)).all() if key is not None]

    async def of_id(self, file_id: UUID) -> File | None:
        """Locked until the unit of work ends."""
        query = select(File).where(File.id == file_id).with_for_update()
        return (await self.db.execute(query.execution_options(populate_existing=True))).scalar_one_or_none()

    async def unlocked(self, file_id: UUID) -> File | None:
        return (await self.db.execute(select(File).where(File.id == file_id))).scalar_one_or_none()

    async def locked(self, file_ids: Collection[UUID]) -> dict[UUID, File]:
        """Those that are still there, as they are now, until the unit of work ends."""
        query = select(File).where(File.id.in_(file_ids)).order_by(File.id).with_for_update()
        rows = (await self.db.execute(query.execution_options(populate_existing=True))).scalars()
        return {file.id: file for file in rows}

    async def twin_of(self, file: File) -> UUID | None:
        """The oldest clean file with the same bytes in another object, of those that were asked this themselves."""
        query = select(File.id).where(
            File.sha256 == file.sha256,
            File.file_size == file.file_size,
            File.scan_status == ScanStatus.CLEAN,
            File.storage_key != file.storage_key,
            File.rendered_at.is_not(None),
            File.id != file.id,
        )
        return (await self.db.execute(query.order_by(File.id).limit(1))).scalar_one_or_none()

    async def expired(self, policy: "Policy", *, limit: int) -> Sequence[File]:
        """Locked until the unit of work ends; what others have locked is passed over."""
        query = select(File).where(*policy.conditions()).order_by(File.id).limit(limit)
        return (await self.db.execute(query.with_for_update(of=File, skip_locked=True))).scalars().all()


@dataclass(frozen=True, slots=True)
class Policy:
    """Files in a state are kept for so many days."""

    state: Literal["closed", "quarantined", "unattached"]
    days: int

    @property
    def reason(self) -> str:
        return f"Kept for {self.days} days: {_STATES[self.state]}"

    def conditions(self) -> list[ColumnElement[bool]]:
        before = func.now() - timedelta(days=self.days)
        if self.state == "quarantined":
            return [File.scan_status == ScanStatus.QUARANTINED, File.scanned_at < before]
        if self.state == "unattached":
            settled = (ProcessingStatus.COMPLETED, ProcessingStatus.FAILED)
            return [File.ticket_id.is_(None), File.created_at < before, File.processing_status.in_(settled)]
        # A closed ticket is history: what was last done to it was to close it.
        closed = (Ticket.status == TicketStatus.CLOSED) & (Ticket.updated_at < before)
        over = select(Ticket.id).where(or_(closed, Ticket.deleted_at < before))
        return [File.ticket_id.in_(over), File.created_at < before]


_STATES = {
    "closed": "its ticket is closed or deleted.",
    "quarantined": "it is in quarantine.",
    "unattached": "it is on no ticket.",
}
