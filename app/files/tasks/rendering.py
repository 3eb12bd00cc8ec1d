"""Previews in a worker: made by the child process into a folder of this attempt's, stored, then noted in one commit."""

import asyncio
import shutil
import tempfile
from pathlib import Path
from uuid import UUID

from app.core.clock import now
from app.core.resources import Resources
from app.core.storage import chunks_of, discard
from app.core.tasks import RECOGNITION_QUEUE, task
from app.core.telemetry import get_logger, span
from app.files import service
from app.files.recognition.result import RecognitionFailed
from app.files.rendering.result import Rendered, RenderLimits, renders
from app.files.service.rendering import Rendering, ToRender
from app.files.tasks import recognition
from app.jobs.service import Claim
from app.jobs.tasks import claimed
from app.models.base import uuid7

log = get_logger(__name__)

TASK_SECONDS = 3600.0
"""A net below `settings.files.render_seconds`, which ends the child process."""
DERIVED = "derived"
"""Where it lies in the store."""


@task(name="files.render", queue=RECOGNITION_QUEUE, time_limit=TASK_SECONDS)
@claimed
async def render_file(resources: Resources, claim: Claim) -> None:
    """What an attempt has stored that lost its claim is collected, as after a crash."""
    async with resources.db.unit_of_work() as db:
        wanted = await service.begin_rendering(db, claim)
    if wanted is None:
        return
    made: dict[str, Rendering] = {}
    await _make(resources, wanted, made)
    async with resources.db.unit_of_work() as db:
        noted = await service.complete_rendering(db, claim, made)
    if not noted:
        await discard(resources.storage, [one.key for one in made.values()])


@task(name="files.give_up_rendering", time_limit=60)
async def give_up_rendering(resources: Resources, job_id: UUID) -> None:
    async with resources.db.unit_of_work() as db:
        await service.end_rendering(db, job_id)


async def _make(resources: Resources, wanted: ToRender, made: dict[str, Rendering]) -> None:
    """Nothing is made of what cannot be shown, which is an outcome too."""
    if not renders(wanted.group, wanted.label):
        return
    settings = resources.settings.files
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="evidesk-"))
    try:
        async with resources.storage.local_path(wanted.key) as path:
            with span("render", content=wanted.group):
                found = await recognition.process().render(
                    path,
                    wanted.group,
                    wanted.label,
                    folder=folder,
                    limits=RenderLimits(side=settings.preview_side, max_pixels=settings.max_pixels),
                    seconds=settings.render_seconds,
                )
        for rendered in found:
            made[rendered.kind] = await _stored(resources, folder, rendered)
    except RecognitionFailed as failure:
        log.info("file_not_rendered", file=str(wanted.file_id), reason=failure.reason)
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _stored(resources: Resources, folder: Path, rendered: Rendered) -> Rendering:
    key = f"{DERIVED}/{now():%Y/%m/%d}/{uuid7()}"
    size = await resources.storage.put(key, chunks_of(folder / rendered.kind))
    return Rendering(key, rendered.media_type, size)
