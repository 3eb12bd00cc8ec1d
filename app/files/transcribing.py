"""A recording in a worker: its speech found in the child process, heard by an engine, at once or in parts.

A short recording is heard where it was cut. Of a long one each part's sound goes into the store, and the parts to the
workers; `app.files.service.parts` joins them.
"""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

from app.core.clock import now
from app.core.resources import Resources
from app.core.storage import chunks_of, discard
from app.files import service
from app.files.recognition.merging import HeardPart, merged
from app.files.recognition.result import (
    CutRecording,
    Progress,
    Recognition,
    RecognitionSettings,
    RecordingPart,
    Segment,
    Unreadable,
)
from app.files.recognition.text import clean
from app.files.recognition_process import RecognitionProcess
from app.files.speech.chain import Listened, listen, open_engines
from app.files.speech.engine import Clip
from app.files.speech.errors import SpeechFailed, SpeechUnavailable
from app.jobs import service as jobs
from app.jobs.service import Claim
from app.models.base import uuid7

_FOLDER = "evidesk-speech-"
_LEFT_BEHIND = timedelta(hours=12)
"""Twice as long as a task may take."""
_IN_VAIN = "The speech cannot be transcribed"
_REST_FIRST, _REST_MOST = timedelta(seconds=5), timedelta(minutes=5)
_VERSION_CHARS = 50
_LANGUAGE_CHARS = 20


async def read_recording(
    resources: Resources,
    process: RecognitionProcess,
    claim: Claim,
    path: Path,
    *,
    file_id: UUID,
    settings: RecognitionSettings,
    progress: Progress,
) -> Recognition | None:
    """What was said; None when it is long, and its parts have become jobs, or when it waits for an engine.

    Raises:
        RecognitionFailed: it cannot be read.
    """
    seconds = resources.settings.files.recognition_seconds
    async with _folder() as folder:
        cut = await process.cut(path, folder, settings=settings, seconds=seconds, progress=progress)
        if len(cut.parts) > 1:
            await _split(resources, claim, cut)
            return None
        try:
            heard = [
                await _heard(resources, process, str(claim.job_id), part, settings, progress) for part in cut.parts
            ]
        except SpeechFailed as failure:
            if isinstance(failure, SpeechUnavailable) and await _waits(resources, claim, file_id):
                return None
            raise Unreadable(f"{_IN_VAIN}: {clean(failure.reason)}", "transcription") from failure
    return merged(heard, metadata=cut.metadata, limits=settings)


async def hear_part(
    resources: Resources, process: RecognitionProcess, claim: Claim, settings: RecognitionSettings
) -> None:
    """Transcribe one part of a long recording, and write it down. Raises ClaimLost."""
    async with resources.db.unit_of_work() as db:
        work = await service.begin_part(db, claim)
    if work is None:
        return
    try:
        async with resources.storage.local_path(work.key) as path:
            part = RecordingPart(str(path), work.pieces)
            heard = await _heard(resources, process, str(claim.job_id), part, settings, lambda *_: None)
    except SpeechFailed as failure:
        if isinstance(failure, SpeechUnavailable) and await _waits(resources, claim):
            return
        async with resources.db.unit_of_work() as db:
            await service.fail_part(db, claim, reason=f"{_IN_VAIN}: {clean(failure.reason)}", limits=settings)
    else:
        async with resources.db.unit_of_work() as db:
            await service.finish_part(db, claim, heard, limits=settings)
    await discard(resources.storage, [work.key])


async def give_up_part(resources: Resources, job_id: UUID, settings: RecognitionSettings, *, reason: str) -> None:
    async with resources.db.unit_of_work() as db:
        key = await service.give_up_part(db, job_id, reason=reason, limits=settings)
    if key is not None:
        await discard(resources.storage, [key])


async def _waits(resources: Resources, claim: Claim, file_id: UUID | None = None) -> bool:
    """No engine can be reached: whether the job waits for one, without counting the attempt. Raises ClaimLost."""
    async with resources.db.unit_of_work() as db:
        job = await jobs.find(db, claim.job_id)
        waited = now() - job.created_at if job is not None else timedelta.max
        if waited >= timedelta(minutes=resources.settings.speech.wait_minutes):
            return False
        if file_id is not None:
            share, message = service.VALIDATION_SHARE, "Waiting for a speech engine"
            await service.report_progress(
                db, claim, file_id=file_id, stage="transcription", fraction=share, message=message
            )
        await jobs.rest(db, claim, first=_REST_FIRST, most=_REST_MOST)
    return True


def sweep(folder: Path | None = None) -> None:
    """Remove what workers that were killed while they cut a recording left on this machine: people's words."""
    for left in (folder or Path(tempfile.gettempdir())).glob(f"{_FOLDER}*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _LEFT_BEHIND.total_seconds():
                shutil.rmtree(left, ignore_errors=True)


async def _split(resources: Resources, claim: Claim, cut: CutRecording) -> None:
    """First the sound, then the rows: what a crash leaves in between belongs to no row and is collected."""
    keys = [f"parts/{now():%Y/%m/%d}/{uuid7()}" for _ in cut.parts]
    for part, key in zip(cut.parts, keys, strict=True):
        await resources.storage.put(key, chunks_of(Path(part.path)))
    async with resources.db.unit_of_work() as db:
        await service.split(db, claim, cut, keys)


async def _heard(
    resources: Resources,
    process: RecognitionProcess,
    name: str,
    part: RecordingPart,
    settings: RecognitionSettings,
    progress: Progress,
) -> HeardPart:
    clip = Clip(name, Path(part.path), part.pieces)
    engines = open_engines(resources.settings, process, settings)
    listened = await listen(engines, clip, breakers=resources.breakers, progress=progress)
    return _in_recording(listened, clip)


def _in_recording(listened: Listened, clip: Clip) -> HeardPart:
    said = listened.transcript
    segments = []
    for passage in said.passages:
        start, end = clip.in_recording(passage.start, passage.end)
        segments.append(Segment(clean(passage.text), passage.confidence, start_s=start, end_s=end))
    return HeardPart(
        segments,
        said.engine,
        clean(said.version)[:_VERSION_CHARS],
        said.language[:_LANGUAGE_CHARS] if said.language else None,
        [clean(reason) for reason in listened.passed_over],
    )


@asynccontextmanager
async def _folder() -> AsyncIterator[Path]:
    made = await asyncio.to_thread(tempfile.mkdtemp, prefix=_FOLDER)
    try:
        yield Path(made)
    finally:
        await asyncio.to_thread(partial(shutil.rmtree, made, ignore_errors=True))
