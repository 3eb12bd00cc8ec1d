"""Watching the processing of a file, by its job. Whoever may see the file may watch."""

from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.core.clock import now
from app.core.errors import NotFound
from app.models.file import File
from app.models.job import Job, JobState
from app.models.ticket import Ticket
from app.websocket.channels import job_channel
from app.websocket.connection import Connection
from app.websocket.messages import (
    FileProcessingFailed,
    FileProcessingProgress,
    FileRequest,
    GetJobStatus,
    JobSubscriptionData,
    ProcessingFailedData,
    ProgressData,
    SubscribeJob,
    SubscriptionResponse,
)
from app.websocket.protocols.base_protocol import BaseProtocol

FIRST_STAGE = "validation"


class JobMissing(NotFound):
    code = "job_not_found"
    title = "No such job"
    detail = "There is no job of this id that you may see."


class FileProtocol(BaseProtocol[FileRequest]):
    name = "file"

    async def handle(self, connection: Connection, who: Principal, request: FileRequest) -> None:
        job_id = request.data.job_id
        if isinstance(request, SubscribeJob):
            async with self.db.session() as db:
                await _visible(db, who, job_id)

            def about(seq: int, recovered: bool | None) -> JobSubscriptionData:
                return JobSubscriptionData(job_id=job_id, subscribed=True, seq=seq, recovered=recovered)

            after, request_id = request.data.after, request.request_id
            await self.subscribe(connection, job_channel(job_id), about, after=after, request_id=request_id)
        elif isinstance(request, GetJobStatus):
            async with self.db.session() as db:
                file, job = await _visible(db, who, job_id)
            connection.send(_status(file, job, request))
        else:
            self.unsubscribe(connection, job_channel(job_id))
            left = JobSubscriptionData(job_id=job_id, subscribed=False)
            connection.send(SubscriptionResponse(protocol="file", data=left, request_id=request.request_id).frame())


async def _visible(db: AsyncSession, who: Principal, job_id: UUID) -> tuple[File, Job]:
    query = select(File, Job).join(Job, Job.id == File.job_id).where(Job.id == job_id)
    if not who.is_staff:
        own = select(Ticket.id).where(Ticket.requester_id == who.user_id)
        query = query.where(or_(File.uploader_id == who.user_id, File.ticket_id.in_(own)))
    row = (await db.execute(query)).one_or_none()
    if row is None:
        raise JobMissing
    return row.tuple()


def _status(file: File, job: Job, request: GetJobStatus) -> str:
    stage, at = job.stage or FIRST_STAGE, job.finished_at or now()
    if job.state == JobState.FAILED:
        reason = job.error or file.error or "The processing failed."
        failed = ProcessingFailedData(job_id=job.id, filename=file.filename, error=reason, stage=stage, timestamp=at)
        return FileProcessingFailed(data=failed, request_id=request.request_id).frame()
    data = ProgressData(job_id=job.id, stage=stage, progress=job.progress, message=file.processing_status, timestamp=at)
    return FileProcessingProgress(data=data, request_id=request.request_id).frame()
