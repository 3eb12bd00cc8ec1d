"""Files as they are after, during or before their recognition, without bytes."""

import hashlib
import uuid
from typing import Any

from app.core.auth import Principal
from app.core.clock import now
from app.core.resources import Resources
from app.files.events import OcrCompleted
from app.files.service import JOB_KIND
from app.models.base import uuid7
from app.models.file import File, ProcessingStatus, ScanStatus
from app.models.job import Job, JobState
from app.outbox import writer as outbox

SCANNED = {
    ProcessingStatus.PENDING: ScanStatus.RECEIVED,
    ProcessingStatus.PROCESSING: ScanStatus.SCANNING,
    ProcessingStatus.QUARANTINED: ScanStatus.QUARANTINED,
}


async def add_file(
    resources: Resources,
    who: Principal,
    *,
    filename: str = "screenshot.png",
    file_type: str = "image/png",
    text: str | None = "ERR_PAYMENT_504 Gateway timeout",
    confidence: float | None = 0.93,
    analysis_type: str | None = "ocr",
    status: ProcessingStatus = ProcessingStatus.COMPLETED,
    **columns: Any,
) -> uuid.UUID:
    file_id = uuid7()
    finished = status not in (ProcessingStatus.PENDING, ProcessingStatus.PROCESSING)
    async with resources.db.unit_of_work() as db:
        job = Job(
            id=uuid7(),
            kind=JOB_KIND,
            subject=str(file_id),
            state=JobState.SUCCEEDED if finished else JobState.QUEUED,
            finished_at=now() if finished else None,
        )
        db.add(job)
        await db.flush()
        db.add(
            File(
                id=file_id,
                uploader_id=who.user_id,
                job_id=job.id,
                filename=filename,
                file_type=file_type,
                kind=file_type.partition("/")[0],
                file_size=1000,
                sha256=hashlib.sha256(file_id.bytes).hexdigest(),
                storage_key=f"tests/{file_id}",
                processing_status=status,
                scan_status=SCANNED.get(status, ScanStatus.CLEAN),
                text=text if finished and status != ProcessingStatus.QUARANTINED else None,
                confidence=confidence if finished else None,
                analysis_type=analysis_type if finished else None,
                engine="rapidocr" if finished else None,
                details={"width": 1000},
                **columns,
            )
        )
    return file_id


async def finish_file(resources: Resources, file_id: uuid.UUID, *, text: str = "ERR_PAYMENT_504") -> None:
    """As the recognition's worker does it: the outcome and its event in one transaction."""
    async with resources.db.unit_of_work() as db:
        file = await db.get_one(File, file_id)
        file.scan_status = ScanStatus.CLEAN
        file.processing_status, file.text = ProcessingStatus.COMPLETED, text
        file.analysis_type, file.confidence = "ocr", 0.9
        outbox.add(
            db,
            OcrCompleted(file_id=file_id, job_id=file.job_id, filename=file.filename, confidence=0.9, timestamp=now()),
        )
