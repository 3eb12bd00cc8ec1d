"""Watching the reading of a file, by its job. Whoever may see the file may watch."""

from app.core.auth import Principal
from app.core.clock import now
from app.files import service as files
from app.files.schemas import FileOut, FileStatusOut
from app.models.file import ProcessingStatus
from app.websocket.channels import Subject, job_channel
from app.websocket.connection import Connection
from app.websocket.messages import FileProcessingFailed, FileProcessingProgress, SubscriptionResponse
from app.websocket.payloads import JobSubscriptionData, ProcessingFailedData, ProgressData
from app.websocket.protocols.base_protocol import BaseProtocol
from app.websocket.requests import FileRequest, GetJobStatus, SubscribeJob

FIRST_STAGE = "validation"
"""What a job is about to do before a worker has told anything of it."""


class FileProtocol(BaseProtocol[FileRequest]):
    name = "file"

    async def handle(self, connection: Connection, who: Principal, request: FileRequest) -> None:
        job_id, request_id = request.data.job_id, request.request_id
        channel = job_channel(job_id)
        if isinstance(request, SubscribeJob):
            await self._access.require(who, Subject(job_id=job_id))

            def about(seq: int, recovered: bool | None) -> JobSubscriptionData:
                return JobSubscriptionData(job_id=job_id, subscribed=True, seq=seq, recovered=recovered)

            await self.subscribe(connection, channel, about, after=request.data.after, request_id=request_id)
        elif isinstance(request, GetJobStatus):
            async with self.db.session() as db:
                file, status = await files.status_of_job(db, who, job_id)
            connection.send(_status(file, status, request))
        else:
            self.unsubscribe(connection, channel)
            left = JobSubscriptionData(job_id=job_id, subscribed=False)
            connection.send(SubscriptionResponse(protocol="file", data=left, request_id=request_id).frame())


def _status(file: FileOut, status: FileStatusOut, request: GetJobStatus) -> bytes:
    """As its last notification would say it; `message` is the processing status."""
    stage = status.stage or FIRST_STAGE
    if status.processing_status in (ProcessingStatus.FAILED, ProcessingStatus.QUARANTINED):
        failed = ProcessingFailedData(
            job_id=status.job_id, filename=file.filename, error=status.error or "", stage=stage, timestamp=now()
        )
        return FileProcessingFailed(data=failed, request_id=request.request_id).frame()
    data = ProgressData(
        job_id=status.job_id,
        stage=stage,
        progress=status.progress,
        message=status.processing_status,
        timestamp=now(),
    )
    return FileProcessingProgress(data=data, request_id=request.request_id).frame()
