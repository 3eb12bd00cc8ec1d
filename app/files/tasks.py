"""Reading a file in a worker: claim its job, read it in the child process, write the result once."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from celery.signals import worker_process_init, worker_process_shutdown, worker_shutdown
from sqlalchemy.exc import SQLAlchemyError

from app.core.resources import Resources
from app.core.settings import Settings, get_settings
from app.core.tasks import RECOGNITION_QUEUE, task
from app.core.telemetry import get_logger, span
from app.files import service
from app.files.recognition.result import Progress, RecognitionFailed, RecognitionSettings, Stage
from app.files.recognition_process import RecognitionProcess
from app.files.service import Work
from app.jobs import claims
from app.jobs.errors import ClaimLost
from app.jobs.service import Claim

log = get_logger(__name__)

TASK_SECONDS = 6 * 3600.0
"""A net below `settings.files.recognition_seconds`, which ends the child process and fails the file with a reason."""
PROGRESS_SECONDS = 1.0
"""Progress is written at most so often; each note is a transaction and a message to every watcher."""
VALIDATION_SHARE = 0.1
"""What the checks before the reading count for in the progress of the whole."""

_process = RecognitionProcess()


@task(name="files.recognise", queue=RECOGNITION_QUEUE, time_limit=TASK_SECONDS)
async def recognise_file(resources: Resources, job_id: UUID) -> None:
    try:
        async with claims.hold(resources, UUID(str(job_id))) as claim:
            if claim is not None:
                await _recognise(resources, claim)
    except ClaimLost:
        # Somebody else finishes it; nothing of this attempt was kept.
        return


@task(name="files.give_up", time_limit=60)
async def give_up_file(resources: Resources, job_id: UUID) -> None:
    async with resources.db.unit_of_work() as db:
        await service.give_up(db, UUID(str(job_id)))


async def _recognise(resources: Resources, claim: Claim) -> None:
    async with resources.db.unit_of_work() as db:
        work = await service.begin(db, claim)
    if work is None:
        return
    settings = resources.settings
    try:
        with span("recognise", content=work.content.group, attempt=claim.attempt):
            async with (
                resources.storage.local_path(work.key) as path,
                _reporting(resources, claim, work) as progress,
            ):
                recognition = await _process.run(
                    path,
                    work.content,
                    settings=recognition_settings(settings),
                    seconds=settings.files.recognition_seconds,
                    progress=progress,
                )
    except RecognitionFailed as failure:
        async with resources.db.unit_of_work() as db:
            await service.fail(db, claim, reason=failure.reason, stage=failure.stage, hostile=failure.hostile)
        return
    async with resources.db.unit_of_work() as db:
        await service.complete(db, claim, recognition)


@asynccontextmanager
async def _reporting(resources: Resources, claim: Claim, work: Work) -> AsyncIterator[Progress]:
    """Takes progress as fast as it comes and writes the latest of it, now and then."""
    news = asyncio.Event()
    latest: tuple[Stage, float, str] = ("validation", 0.0, "")

    def take(stage: Stage, fraction: float, message: str) -> None:
        nonlocal latest
        done = VALIDATION_SHARE * fraction
        if stage != "validation":
            done = VALIDATION_SHARE + (1 - VALIDATION_SHARE) * fraction
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


def recognition_settings(settings: Settings) -> RecognitionSettings:
    """The engines' limits; the machine's cores are shared out among its workers."""
    return RecognitionSettings(
        max_pixels=settings.files.max_pixels,
        max_chars=settings.files.max_text_chars,
        max_media_seconds=settings.files.max_media_seconds,
        threads=max(1, (os.cpu_count() or 1) // settings.jobs.worker_concurrency),
        whisper_model=settings.speech.whisper_model,
        whisper_compute_type=settings.speech.whisper_compute_type,
    )


@worker_process_init.connect(weak=False)
def warm_up(**_: Any) -> None:
    """Load the engines before the first file comes."""
    _process.warm_up(recognition_settings(get_settings()))


@worker_process_shutdown.connect(weak=False)
@worker_shutdown.connect(weak=False)
def close_process(**_: Any) -> None:
    _process.close()
