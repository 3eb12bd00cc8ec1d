"""How the scan of a file is written down: by the holder of its job's claim, before anything else is done with it."""

from datetime import timedelta

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import now
from app.core.resources import Resources
from app.core.settings import ScanSettings
from app.files.repository import ProcessedFiles
from app.files.scanning.scanner import open_scanner
from app.files.scanning.verdict import ScannerAway
from app.files.service.history import note
from app.files.service.processing import FIRST_STAGE, fail, file_of, report_progress, tell_failure
from app.files.service.rendering import want_rendering
from app.jobs import service as jobs
from app.jobs.service import Claim
from app.models.file import FileSegment, ProcessingStatus, ScanStatus


async def pass_scan(db: AsyncSession, claim: Claim, *, scanners: str, flags: list[str]) -> None:
    """No harm was found: from now on the file may be read and shown. Raises ClaimLost."""
    file = await file_of(db, claim)
    if file is None:
        return
    file.scan_status, file.scanned_at, file.scanners = ScanStatus.CLEAN, now(), scanners
    if flags:
        file.details = {**file.details, "scan_flags": flags}
    await report_progress(db, claim, file_id=file.id, stage=FIRST_STAGE, fraction=0.0, message="No harm found")
    want_rendering(db, file)


async def quarantine(db: AsyncSession, claim: Claim, *, reason: str, stage: str, scanners: str | None = None) -> None:
    """The file is harmful: it is kept, and nothing of it is given out. Raises ClaimLost.

    A file that an administrator has released only fails: what harms its reader was known.
    """
    file = await ProcessedFiles(db).of_job(claim.job_id)
    if file is not None and file.released_at is not None:
        await fail(db, claim, reason=reason, stage=stage)
        return
    if file is not None:
        note(db, file, actor_id=None, action="quarantined", reason=reason, scanners=scanners or file.scanners)
        file.processing_status, file.scan_status = ProcessingStatus.QUARANTINED, ScanStatus.QUARANTINED
        file.text, file.scanned_at = None, now()
        file.scanners = scanners or file.scanners
        await db.execute(delete(FileSegment).where(FileSegment.file_id == file.id))
        tell_failure(db, file, reason=reason, stage=stage)
    await jobs.fail(db, claim, reason=reason)


async def wait_for_scanner(db: AsyncSession, claim: Claim, settings: ScanSettings) -> None:
    """No verdict can be had just now: the file waits as it is. Raises ClaimLost."""
    file = await file_of(db, claim)
    if file is None:
        return
    file.processing_status = ProcessingStatus.PENDING
    message = "Waiting for the virus scanner"
    await report_progress(db, claim, file_id=file.id, stage=FIRST_STAGE, fraction=0.0, message=message)
    await postpone_scan(db, claim, settings)


async def postpone_scan(db: AsyncSession, claim: Claim, settings: ScanSettings) -> None:
    """The job waits for the scanner, and the attempt does not count. Raises ClaimLost."""
    first, most = timedelta(seconds=settings.retry_seconds), timedelta(seconds=settings.retry_most_seconds)
    await jobs.rest(db, claim, first=first, most=most)


async def check_scanner(resources: Resources) -> str | None:
    """Why files wait, None when they do not have to: the configured scanner answers, or there is none."""
    scanner = open_scanner(resources.settings.scan)
    try:
        if scanner is not None:
            await scanner.version()
    except ScannerAway as away:
        return f"{away}: files wait"
    return None
