"""The workers behind the documents: what they do is done when a test says so."""

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select

from app.core.resources import Resources
from app.files.content_type import ContentType
from app.files.recognition.recognise import recognise
from app.files.recognition.result import Progress, Recognition, RecognitionSettings
from app.files.recognition_process import RecognitionProcess
from app.files.scanning import baseline
from app.files.scanning.budget import Limits
from app.files.scanning.verdict import Verdict
from app.files.signatures import Group
from app.files.tasks import recognition as recognition_tasks
from app.knowledge.service import JOB_KIND, READING
from app.knowledge.tasks import index_document, read_document
from app.models.job import Job, JobState


class HereProcess(RecognitionProcess):
    """Scans and reads with the same engines, without the second or two that a child process takes to start."""

    async def run(
        self,
        path: Path,
        content: ContentType,
        *,
        settings: RecognitionSettings,
        seconds: float,
        progress: Progress,
    ) -> Recognition:
        return recognise(path, content, settings=settings, progress=progress)

    async def scan(self, path: Path, group: Group, *, limits: Limits, seconds: float) -> Verdict:
        # A ratio is looked at from far less on: a bomb of the real size takes its time to make.
        return baseline.scan(path, group, replace(limits, ratio_from_bytes=1_000_000))


async def index_all(resources: Resources) -> None:
    for job_id in await _queued(resources, JOB_KIND):
        await index_document.handler(resources, job_id)


async def read_all(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was sent as files, and then index all."""
    monkeypatch.setattr(recognition_tasks, "_process", HereProcess())
    for job_id in await _queued(resources, READING):
        await read_document.handler(resources, job_id)
    await index_all(resources)


async def _queued(resources: Resources, kind: str) -> list[UUID]:
    async with resources.db.session() as db:
        query = select(Job.id).where(Job.state == JobState.QUEUED, Job.kind == kind).order_by(Job.id)
        return list((await db.execute(query)).scalars())
