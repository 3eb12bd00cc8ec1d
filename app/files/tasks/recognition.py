"""A file in a worker: claim its job, scan it, then read it in the child process, write the result once."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from celery.signals import worker_process_init, worker_process_shutdown, worker_shutdown
from sqlalchemy.exc import SQLAlchemyError

from app.core.resources import Resources
from app.core.settings import ScanSettings, Settings, get_settings
from app.core.tasks import PARTS_QUEUE, RECOGNITION_QUEUE, task
from app.core.telemetry import get_logger, span
from app.files import service, transcribing
from app.files.recognition.result import Progress, Recognition, RecognitionFailed, RecognitionSettings, Stage
from app.files.recognition_process import RecognitionProcess
from app.files.scanning.baseline import SCANNER as BASELINE
from app.files.scanning.budget import Limits
from app.files.scanning.scanner import open_scanner
from app.files.scanning.verdict import ScannerAway, Verdict
from app.files.service import Work
from app.files.signatures import Group
from app.jobs.errors import ClaimLost
from app.jobs.service import Claim
from app.jobs.tasks import GivenUp, claimed, exhausted

log = get_logger(__name__)

TASK_SECONDS = 6 * 3600.0
"""A net below `settings.files.recognition_seconds`, which ends the child process and fails the file with a reason."""
PROGRESS_SECONDS = 1.0
"""Progress is written at most so often; each note is a transaction and a message to every watcher."""

SCAN_STAGE: Stage = "validation"

_process = RecognitionProcess()


def process() -> RecognitionProcess:
    """This process's one child for whatever decodes strangers' files."""
    return _process


@task(name="files.recognise", queue=RECOGNITION_QUEUE, time_limit=TASK_SECONDS)
@claimed
async def recognise_file(resources: Resources, claim: Claim) -> None:
    async with resources.db.unit_of_work() as db:
        if await service.wait_again(db, claim):
            return
        work = await service.begin(db, claim)
    if work is None:
        return
    async with resources.storage.local_path(work.key) as path:
        if not work.clean and not await _scanned(resources, claim, work, path):
            return
        await _read(resources, claim, work, path)


@task(name="files.give_up", time_limit=60)
@exhausted
async def give_up_file(resources: Resources, job: GivenUp) -> None:
    async with resources.db.unit_of_work() as db:
        await service.give_up(db, job.job_id, reason=job.reason, stage=job.stage)


@task(name="files.recognise_part", queue=PARTS_QUEUE, time_limit=TASK_SECONDS)
@claimed
async def recognise_part(resources: Resources, claim: Claim) -> None:
    with span("recognise_part", attempt=claim.attempt):
        await transcribing.hear_part(resources, _process, claim, recognition_settings(resources.settings))


@task(name="files.give_up_part", time_limit=60)
@exhausted
async def give_up_part(resources: Resources, job: GivenUp) -> None:
    settings = recognition_settings(resources.settings)
    await transcribing.give_up_part(resources, job.job_id, settings, reason=job.reason)


async def _scanned(resources: Resources, claim: Claim, work: Work, path: Path) -> bool:
    """Whether the file may be read; if not, why was written down."""
    settings = resources.settings.scan
    try:
        with span("scan", content=work.content.group, attempt=claim.attempt):
            verdict = await examined(resources, path, key=work.key, group=work.content.group)
    except ScannerAway as away:
        log.warning("scanner_away", job=str(claim.job_id), error=str(away))
        async with resources.db.unit_of_work() as db:
            await service.wait_for_scanner(db, claim, settings)
        return False
    async with resources.db.unit_of_work() as db:
        if verdict.harm is not None:
            log.warning("file_quarantined", job=str(claim.job_id), scanners=verdict.scanner)
            await service.quarantine(db, claim, reason=verdict.harm, stage=SCAN_STAGE, scanners=verdict.scanner)
        else:
            await service.pass_scan(db, claim, scanners=verdict.scanner, flags=verdict.flags)
    return verdict.harm is None and not claim.settled


async def examined(resources: Resources, path: Path, *, key: str, group: Group) -> Verdict:
    """The baseline's word and then, unless that was harm, the configured scanner's. Raises ScannerAway."""
    settings = resources.settings.scan
    try:
        found = await _process.scan(path, group, limits=scan_limits(settings), seconds=settings.seconds)
    except RecognitionFailed:
        # What cannot be scanned has not been found clean.
        return Verdict(BASELINE, harm="The scan of this file crashes or does not end.")
    scanner = open_scanner(settings)
    if scanner is None or found.harm is not None:
        return found
    second = await scanner.scan(resources.storage.read(key))
    return Verdict(f"{found.scanner}; {second.scanner}", second.harm, found.flags + second.flags)


async def _read(resources: Resources, claim: Claim, work: Work, path: Path) -> None:
    settings = resources.settings
    try:
        with span("recognise", content=work.content.group, attempt=claim.attempt):
            async with _reporting(resources, claim, work) as progress:
                limits = recognition_settings(settings)
                recognition: Recognition | None
                if work.content.group in ("audio", "video"):
                    recognition = await transcribing.read_recording(
                        resources, _process, claim, path, file_id=work.file_id, settings=limits, progress=progress
                    )
                else:
                    recognition = await _process.run(
                        path,
                        work.content,
                        settings=limits,
                        seconds=settings.files.recognition_seconds,
                        progress=progress,
                    )
    except RecognitionFailed as failure:
        async with resources.db.unit_of_work() as db:
            settle = service.quarantine if failure.hostile else service.fail
            await settle(db, claim, reason=failure.reason, stage=failure.stage)
        return
    if recognition is None:
        # Cut into parts: the last of them completes it.
        return
    async with resources.db.unit_of_work() as db:
        await service.complete(db, claim, recognition, doubted_below=settings.files.low_confidence_below)


@asynccontextmanager
async def _reporting(resources: Resources, claim: Claim, work: Work) -> AsyncIterator[Progress]:
    """Takes progress as fast as it comes and writes the latest of it, now and then."""
    news = asyncio.Event()
    latest: tuple[Stage, float, str] = ("validation", 0.0, "")

    def take(stage: Stage, fraction: float, message: str) -> None:
        nonlocal latest
        done = service.VALIDATION_SHARE * fraction
        if stage != "validation":
            done = service.VALIDATION_SHARE + (1 - service.VALIDATION_SHARE) * fraction
        latest = (stage, max(latest[1], round(done, 3)), message)
        news.set()

    async def write() -> None:
        while True:
            await news.wait()
            news.clear()
            stage, fraction, message = latest
            try:
                async with resources.db.unit_of_work() as db:
                    await service.report_progress(
                        db, claim, file_id=work.file_id, stage=stage, fraction=fraction, message=message
                    )
            except (SQLAlchemyError, OSError, ClaimLost) as error:
                # Progress can be done without; whether the claim holds is the heartbeat's business.
                log.warning("progress_not_written", job=str(claim.job_id), error=type(error).__name__)
            await asyncio.sleep(PROGRESS_SECONDS)

    writer = asyncio.create_task(write(), name=f"progress {claim.job_id}")
    try:
        yield take
    finally:
        writer.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await writer


def scan_limits(settings: ScanSettings) -> Limits:
    return Limits(
        max_depth=settings.max_archive_depth,
        max_ratio=settings.max_archive_ratio,
        refuse_macros=settings.refuse_macros,
    )


def recognition_settings(settings: Settings) -> RecognitionSettings:
    """The engines' limits; the machine's cores are shared out among its workers."""
    return RecognitionSettings(
        max_pixels=settings.files.max_pixels,
        max_chars=settings.files.max_text_chars,
        max_media_seconds=settings.files.max_media_seconds,
        memory_bytes=settings.files.recognition_memory_bytes,
        low_confidence_below=settings.files.low_confidence_below,
        threads=max(1, (os.cpu_count() or 1) // settings.jobs.worker_concurrency),
        whisper_model=settings.speech.whisper_model,
        whisper_compute_type=settings.speech.whisper_compute_type,
        language=settings.speech.language,
        part_seconds=settings.speech.part_seconds,
    )


@worker_process_init.connect(weak=False)
def warm_up(**_: Any) -> None:
    """Load the engines before the first file comes, and tidy up after a worker that was killed."""
    transcribing.sweep()
    _process.warm_up(recognition_settings(get_settings()))


@worker_process_shutdown.connect(weak=False)
@worker_shutdown.connect(weak=False)
def close_process(**_: Any) -> None:
    _process.close()
