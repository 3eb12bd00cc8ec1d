"""What was made of a file for others to look at: wanted once it is clean, noted by the holder of the job's claim."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import now
from app.files.repository import ProcessedFiles
from app.files.service.sharing import share
from app.jobs import service as jobs
from app.jobs.service import Claim
from app.models.file import File, ScanStatus

RENDERING = "files.render"


@dataclass(frozen=True, slots=True)
class ToRender:
    file_id: UUID
    key: str
    group: str
    label: str


@dataclass(frozen=True, slots=True)
class Rendering:
    """An object that no row knows yet."""

    key: str
    media_type: str
    size: int


def want_rendering(db: AsyncSession, file: File) -> None:
    jobs.create(db, kind=RENDERING, subject=str(file.id))


async def begin_rendering(db: AsyncSession, claim: Claim) -> ToRender | None:
    """None, and the job settled, when there is nothing to do: done already, gone, or not clean any more."""
    file = await ProcessedFiles(db).of_id(UUID(claim.subject))
    if file is None or file.scan_status != ScanStatus.CLEAN or file.rendered_at is not None:
        await jobs.succeed(db, claim)
        return None
    return ToRender(file.id, file.storage_key, file.kind, str(file.details.get("format", "unknown")))


async def complete_rendering(db: AsyncSession, claim: Claim, made: Mapping[str, Rendering]) -> bool:
    """Note what was made, `preview` and `shown`, and share the bytes; False when the file is gone. Raises ClaimLost."""
    await jobs.succeed(db, claim)
    await share(db, UUID(claim.subject))
    file = await ProcessedFiles(db).of_id(UUID(claim.subject))
    if file is None or file.rendered_at is not None:
        return False
    file.rendered_at = now()
    if preview := made.get("preview"):
        file.preview_key, file.preview_size = preview.key, preview.size
    if shown := made.get("shown"):
        file.shown_key, file.shown_size, file.shown_type = shown.key, shown.size, shown.media_type
    await db.flush()
    return True


async def end_rendering(db: AsyncSession, job_id: UUID) -> None:
    """It failed as often as it may: nobody is to wait any longer for what will not come."""
    job = await jobs.find(db, job_id)
    file = await ProcessedFiles(db).of_id(UUID(job.subject)) if job is not None else None
    if file is not None and file.rendered_at is None:
        file.rendered_at = now()
