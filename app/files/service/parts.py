"""A long recording as parts: each a row and a job, worked on by whichever workers are free, joined by the last.

Every step is one transaction that holds the file's row, so that of two parts that end at the same time one sees the
other. No message decides anything: a part whose worker is killed is a job whose lease runs out, like any other.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import now
from app.files.events import FileProcessingProgress
from app.files.recognition.merging import HeardPart, MissingPart, merged
from app.files.recognition.result import SAMPLE_RATE, CutRecording, RecognitionSettings, Segment
from app.files.repository import ProcessedFiles
from app.files.service.processing import DELETED, OPEN, VALIDATION_SHARE, file_of, store, tell_failure
from app.jobs import service as jobs
from app.jobs.service import Claim
from app.models.file import File, ProcessingStatus
from app.models.file_part import FilePart, PartState
from app.outbox import writer as outbox

PART_KIND: Final = "files.part"
STAGE: Final = "transcription"
LOOKED_AFTER: Final = timedelta(hours=1)
"""A file waits for its parts, which see to it that it ends; so often it is looked at all the same."""


@dataclass(frozen=True, slots=True)
class PartWork:
    """What a worker needs to transcribe one part."""

    key: str
    pieces: list[tuple[int, int]]


async def split(db: AsyncSession, claim: Claim, cut: CutRecording, keys: Sequence[str]) -> None:
    """From now on the file waits for its parts, whose sound lies under `keys`. Raises ClaimLost."""
    file = await file_of(db, claim)
    if file is None:
        return
    file.details = {**file.details, **cut.metadata}
    made = [jobs.create(db, kind=PART_KIND, subject=str(file.id)) for _ in cut.parts]
    await db.flush()
    for position, (part, key, job) in enumerate(zip(cut.parts, keys, made, strict=True)):
        first, (last, count) = part.pieces[0][0], part.pieces[-1]
        db.add(
            FilePart(
                file_id=file.id,
                position=position,
                job_id=job.id,
                start_seconds=first / SAMPLE_RATE,
                end_seconds=(last + count) / SAMPLE_RATE,
                pieces=[list(piece) for piece in part.pieces],
                storage_key=key,
            )
        )
    await jobs.progress(db, claim, stage=STAGE, fraction=VALIDATION_SHARE)
    _tell(db, file, 0, len(cut.parts))
    await jobs.wait(db, claim, most=LOOKED_AFTER)


async def wait_again(db: AsyncSession, claim: Claim) -> bool:
    """Whether the file of this job waits for parts: then it is given back. Raises ClaimLost."""
    file = await ProcessedFiles(db).of_job(claim.job_id)
    parts = await ProcessedFiles(db).parts_of(file.id) if file is not None else []
    if not parts:
        return False
    done = sum(part.state != PartState.WAITING for part in parts)
    await jobs.progress(db, claim, stage=STAGE, fraction=_share(done, len(parts)))
    await jobs.wait(db, claim, most=LOOKED_AFTER)
    return True


async def begin_part(db: AsyncSession, claim: Claim) -> PartWork | None:
    """None when the file is gone or needs it no more. Raises ClaimLost."""
    part = await ProcessedFiles(db).part_of_job(claim.job_id)
    if part is None or part.storage_key is None:
        await jobs.fail(db, claim, reason=DELETED)
        return None
    await jobs.progress(db, claim, stage=STAGE, fraction=0.0)
    return PartWork(part.storage_key, [(start, count) for start, count in part.pieces])


async def finish_part(db: AsyncSession, claim: Claim, heard: HeardPart, *, limits: RecognitionSettings) -> None:
    """What was heard, and, if this was the last part, the whole. Raises ClaimLost."""
    ending = await _ending(db, claim.job_id)
    if ending is None:
        await jobs.fail(db, claim, reason=DELETED)
        return
    file, part = ending
    part.state, part.storage_key, part.result = PartState.DONE, None, asdict(heard)
    await jobs.succeed(db, claim)
    await _advance(db, file, limits)


async def fail_part(db: AsyncSession, claim: Claim, *, reason: str, limits: RecognitionSettings) -> None:
    """No engine can transcribe this part, now or ever. Raises ClaimLost."""
    ending = await _ending(db, claim.job_id)
    await jobs.fail(db, claim, reason=reason)
    if ending is not None:
        await _go_without(db, *ending, reason, limits)


async def give_up_part(db: AsyncSession, job_id: UUID, *, reason: str, limits: RecognitionSettings) -> str | None:
    """Its job failed as often as it may. Does nothing the second time. The key of the sound, which nobody needs."""
    ending = await _ending(db, job_id)
    if ending is None:
        return None
    key = ending[1].storage_key
    await _go_without(db, *ending, reason, limits)
    return key


async def _ending(db: AsyncSession, job_id: UUID) -> tuple[File, FilePart] | None:
    """The part that ends now, and its file, locked; None when there is nothing more to say of it."""
    files = ProcessedFiles(db)
    file = await files.with_part(job_id)
    part = await files.part_of_job(job_id) if file is not None else None
    if file is None or part is None or part.state != PartState.WAITING or file.processing_status not in OPEN:
        return None
    return file, part


async def _go_without(db: AsyncSession, file: File, part: FilePart, reason: str, limits: RecognitionSettings) -> None:
    part.state, part.storage_key, part.error = PartState.FAILED, None, reason
    await _advance(db, file, limits)


async def _advance(db: AsyncSession, file: File, limits: RecognitionSettings) -> None:
    """Tell how far it is or, when no part is left to do, join them."""
    await db.flush()
    parts = await ProcessedFiles(db).parts_of(file.id)
    done = sum(part.state != PartState.WAITING for part in parts)
    if done < len(parts):
        await jobs.note(db, file.job_id, stage=STAGE, fraction=_share(done, len(parts)))
        _tell(db, file, done, len(parts))
        return
    await db.execute(delete(FilePart).where(FilePart.file_id == file.id))
    outcomes = [_outcome(part) for part in parts]
    failures = [outcome for outcome in outcomes if isinstance(outcome, MissingPart)]
    if len(failures) == len(outcomes):
        file.processing_status = ProcessingStatus.FAILED
        tell_failure(db, file, reason=failures[0].reason, stage=STAGE)
        await jobs.conclude(db, file.job_id, error=failures[0].reason)
        return
    await store(db, file, merged(outcomes, metadata={}, limits=limits), doubted_below=limits.low_confidence_below)
    await jobs.conclude(db, file.job_id)


def _outcome(part: FilePart) -> HeardPart | MissingPart:
    if part.result is None:
        return MissingPart(part.start_seconds, part.end_seconds, part.error or "Given up.")
    return HeardPart(**{**part.result, "segments": [Segment(**segment) for segment in part.result["segments"]]})


def _share(done: int, parts: int) -> float:
    return round(VALIDATION_SHARE + (1 - VALIDATION_SHARE) * done / parts, 3)


def _tell(db: AsyncSession, file: File, done: int, parts: int) -> None:
    outbox.add(
        db,
        FileProcessingProgress(
            file_id=file.id,
            job_id=file.job_id,
            stage=STAGE,
            progress=_share(done, parts),
            message=f"Transcribed {done} of {parts} parts",
            timestamp=now(),
        ),
    )
