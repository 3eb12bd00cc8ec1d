"""How the reading of a file is written down: by the holder of its job's claim, and by nobody else."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import now
from app.core.language import UNKNOWN, language_of
from app.files.content_type import ContentType
from app.files.events import (
    FileProcessingFailed,
    FileProcessingProgress,
    OcrCompleted,
    TranscriptionCompleted,
)
from app.files.recognition.result import Recognition, Segment
from app.files.repository import ProcessedFiles
from app.files.signatures import Group
from app.jobs import service as jobs
from app.jobs.events import JobExhausted
from app.jobs.service import Claim
from app.models.file import File, FileSegment, ProcessingStatus, ScanStatus
from app.outbox import writer as outbox

OPEN = (ProcessingStatus.PENDING, ProcessingStatus.PROCESSING)
DELETED = "The file was deleted."
FIRST_STAGE = "validation"
VALIDATION_SHARE = 0.1
"""What the checks before the reading count for in the progress of the whole."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker needs to scan and read a file. `clean`: an earlier attempt has scanned it already."""

    file_id: UUID
    key: str
    content: ContentType
    clean: bool


async def file_of(db: AsyncSession, claim: Claim) -> File | None:
    """What the job is about; None, and the job has failed, when it is gone. Raises ClaimLost."""
    file = await ProcessedFiles(db).of_job(claim.job_id)
    if file is None:
        await jobs.fail(db, claim, reason=DELETED)
    return file


async def begin(db: AsyncSession, claim: Claim) -> Work | None:
    """Note that the file is being scanned and read; None when it is gone. Raises ClaimLost."""
    file = await file_of(db, claim)
    if file is None:
        return None
    file.processing_status = ProcessingStatus.PROCESSING
    clean = file.scan_status == ScanStatus.CLEAN
    if not clean:
        file.scan_status = ScanStatus.SCANNING
    await report_progress(
        db, claim, file_id=file.id, stage=FIRST_STAGE, fraction=0.0, message="Reading begins" if clean else "Scanning"
    )
    group: Group = file.kind  # type: ignore[assignment] # written by `uploading.add` from a ContentType
    label = str(file.details.get("format", "unknown"))
    return Work(file.id, file.storage_key, ContentType(file.file_type, label, group, False, ""), clean)


async def report_progress(
    db: AsyncSession, claim: Claim, *, file_id: UUID, stage: str, fraction: float, message: str
) -> None:
    """Raises ClaimLost."""
    await jobs.progress(db, claim, stage=stage, fraction=fraction)
    outbox.add(
        db,
        FileProcessingProgress(
            file_id=file_id, job_id=claim.job_id, stage=stage, progress=fraction, message=message, timestamp=now()
        ),
    )


async def complete(db: AsyncSession, claim: Claim, recognition: Recognition, *, doubted_below: float) -> None:
    """Store what was read and settle the job, or neither. Raises ClaimLost."""
    file = await file_of(db, claim)
    if file is None:
        return
    await store(db, file, recognition, doubted_below=doubted_below)
    await jobs.succeed(db, claim)


async def store(db: AsyncSession, file: File, recognition: Recognition, *, doubted_below: float) -> None:
    """What was read, in place of whatever there was, and that it is so.

    Every result passes here: whether its confidence is low is told, and its language unless the engine knew it.
    """
    language = recognition.language or await asyncio.to_thread(_language, recognition.text)
    file.processing_status = ProcessingStatus.COMPLETED
    file.analysis_type = recognition.analysis_type
    file.text = recognition.text
    file.confidence = recognition.confidence
    file.low_confidence = recognition.confidence is not None and recognition.confidence < doubted_below
    file.engine, file.engine_version = recognition.engine, recognition.engine_version
    file.language = language
    file.details = {**file.details, **recognition.metadata}
    file.error = None
    await db.execute(delete(FileSegment).where(FileSegment.file_id == file.id))
    if recognition.segments:
        rows = [_row(file.id, position, segment) for position, segment in enumerate(recognition.segments)]
        await db.execute(insert(FileSegment), rows)
    event = TranscriptionCompleted if recognition.analysis_type == "transcription" else OcrCompleted
    outbox.add(
        db,
        event(
            file_id=file.id,
            job_id=file.job_id,
            filename=file.filename,
            confidence=recognition.confidence,
            timestamp=now(),
        ),
    )


async def fail(db: AsyncSession, claim: Claim, *, reason: str, stage: str) -> None:
    """The file cannot be read, now or ever. Raises ClaimLost."""
    file = await ProcessedFiles(db).of_job(claim.job_id)
    if file is not None:
        _end(db, file, reason=reason, stage=stage)
    await jobs.fail(db, claim, reason=reason)


async def give_up(db: AsyncSession, job_id: UUID, *, reason: str, stage: str | None) -> None:
    """Its job failed as often as it may. Does nothing the second time."""
    file = await ProcessedFiles(db).of_job(job_id)
    if file is not None and file.processing_status in OPEN:
        _end(db, file, reason=reason, stage=stage or FIRST_STAGE)


async def end_abandoned(db: AsyncSession, *, limit: int) -> int:
    """Files that are open though their job has ended: the word that it was given up got lost. How many there were."""
    abandoned = await ProcessedFiles(db).abandoned(limit)
    for file, job in abandoned:
        _end(db, file, reason=job.error or "Given up.", stage=job.stage or FIRST_STAGE)
    for job in await ProcessedFiles(db).abandoned_parts(limit):
        # Its task joins what there is of the recording; it is told once more.
        reason = job.error or "Given up."
        outbox.add(db, JobExhausted(job_id=job.id, kind=job.kind, subject=job.subject, reason=reason))
    return len(abandoned)


def _end(db: AsyncSession, file: File, *, reason: str, stage: str) -> None:
    file.processing_status = ProcessingStatus.FAILED
    if file.scan_status == ScanStatus.SCANNING:
        # No verdict will come any more.
        file.scan_status = ScanStatus.RECEIVED
    tell_failure(db, file, reason=reason, stage=stage)


def tell_failure(db: AsyncSession, file: File, *, reason: str, stage: str) -> None:
    file.error = reason
    outbox.add(
        db,
        FileProcessingFailed(
            file_id=file.id, job_id=file.job_id, filename=file.filename, error=reason, stage=stage, timestamp=now()
        ),
    )


def _language(text: str) -> str | None:
    found = language_of(text) if text.strip() else UNKNOWN
    return None if found == UNKNOWN else found


def _row(file_id: UUID, position: int, segment: Segment) -> dict[str, object]:
    return {
        "file_id": file_id,
        "position": position,
        "text": segment.text,
        "confidence": segment.confidence,
        "page": segment.page,
        "start_seconds": segment.start_s,
        "end_seconds": segment.end_s,
        "box": [list(corner) for corner in segment.box] if segment.box is not None else None,
    }
