"""Documents in a worker: those sent as files are scanned and read, then all are indexed. Each job is settled with what
came of it, so whatever is killed, its results come once."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from app.core.resources import Resources
from app.core.tasks import RECOGNITION_QUEUE, task
from app.core.telemetry import get_logger, span
from app.files import service as files
from app.files.recognition.result import RecognitionFailed, Stage
from app.files.scanning.verdict import ScannerAway
from app.files.tasks.recognition import examined, process, recognition_settings
from app.jobs import service as jobs
from app.jobs.service import Claim
from app.jobs.tasks import GivenUp, claimed, exhausted, yielding
from app.knowledge import service
from app.knowledge.service import Reading

log = get_logger(__name__)
T = TypeVar("T")

PROGRESS_SECONDS = 1.0


@task(name="knowledge.read", queue=RECOGNITION_QUEUE, time_limit=3600)
@claimed
async def read_document(resources: Resources, claim: Claim) -> None:
    async with resources.db.unit_of_work() as db:
        reading = await service.begin_reading(db, claim)
    if reading is None:
        return
    try:
        with span("read_document", content=reading.content.group, attempt=claim.attempt):
            async with resources.storage.local_path(reading.key) as path:
                await _read_at(resources, claim, reading, path)
    except RecognitionFailed as failure:
        async with resources.db.unit_of_work() as db:
            await service.fail_reading(db, claim, reason=failure.reason)
    except ScannerAway as away:
        log.warning("scanner_away", job=str(claim.job_id), error=str(away))
        async with resources.db.unit_of_work() as db:
            await files.postpone_scan(db, claim, resources.settings.scan)


@task(name="knowledge.index", time_limit=3600)
@claimed
async def index_document(resources: Resources, claim: Claim) -> None:
    document_id, version = service.subject_of(claim)
    await service.index(resources.db, document_id, version, claim=claim)


@task(name="knowledge.give_up", time_limit=60)
@exhausted
async def give_up_document(resources: Resources, job: GivenUp) -> None:
    document_id, _, version = job.subject.partition(":")
    async with resources.db.unit_of_work() as db:
        await service.give_up(db, UUID(document_id), int(version), reason=job.reason)


@task(name="knowledge.fetch", time_limit=300)
@claimed
async def fetch_page(resources: Resources, claim: Claim) -> None:
    await service.fetch_page(resources, claim)


@task(name="knowledge.give_up_page", time_limit=60)
@exhausted
async def give_up_page(resources: Resources, job: GivenUp) -> None:
    async with resources.db.unit_of_work() as db:
        await service.give_up_page(db, UUID(job.subject), reason=job.reason)


@task(name="knowledge.copy", time_limit=600)
@yielding
async def copy_vectors(resources: Resources, job_id: UUID) -> None:
    await service.carry_out_copy(resources, job_id)


@task(name="knowledge.embed", time_limit=7 * 24 * 3600)
@yielding
async def embed_all(resources: Resources, job_id: UUID) -> None:
    await service.carry_out_embedding(resources, job_id)


@task(name="knowledge.forget", time_limit=3600)
@yielding
async def forget_vectors(resources: Resources, job_id: UUID) -> None:
    await service.carry_out_forgetting(resources, job_id)


@task(name="knowledge.give_up_embedding", time_limit=60)
@exhausted
async def give_up_embedding(resources: Resources, job: GivenUp) -> None:
    await service.give_up_embedding(resources, job.job_id, reason=job.reason)


async def _read_at(resources: Resources, claim: Claim, reading: Reading, path: Path) -> None:
    latest: tuple[str, float] = ("validation", 0.0)

    def take(stage: Stage, fraction: float, message: str) -> None:
        nonlocal latest
        latest = (stage, fraction)

    async def told(work: Coroutine[Any, Any, T]) -> T:
        """What comes of it; how far it is, is noted now and then."""
        doing = asyncio.create_task(work)
        try:
            while not (await asyncio.wait({doing}, timeout=PROGRESS_SECONDS))[0]:
                async with resources.db.unit_of_work() as db:
                    await jobs.progress(db, claim, stage=latest[0], fraction=latest[1])
            return doing.result()
        finally:
            doing.cancel()

    verdict = await told(examined(resources, path, key=reading.key, group=reading.content.group))
    if verdict.harm is not None:
        log.warning("document_refused", job=str(claim.job_id), scanners=verdict.scanner)
        async with resources.db.unit_of_work() as db:
            await service.fail_reading(db, claim, reason=verdict.harm)
        return
    settings = resources.settings
    recognition = await told(
        process().run(
            path,
            reading.content,
            settings=recognition_settings(settings),
            seconds=settings.files.recognition_seconds,
            progress=take,
        )
    )
    async with resources.db.unit_of_work() as db:
        await service.take_text(db, claim, recognition)
