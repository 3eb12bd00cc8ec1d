import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Row, text

from app.core.resources import Resources
from app.core.settings import JobSettings
from app.jobs import service as jobs
from app.models.job import Job

KIND = "test"


def with_jobs(resources: Resources, **changed: Any) -> Resources:
    """The same, with other settings for jobs."""
    return replace(resources, settings=resources.settings.model_copy(update={"jobs": JobSettings(**changed)}))


async def new_job(resources: Resources, *, start: bool = False) -> uuid.UUID:
    async with resources.db.unit_of_work() as db:
        return jobs.create(db, kind=KIND, subject="the subject", start=start).id


async def read(resources: Resources, job_id: uuid.UUID) -> Job:
    async with resources.db.session() as db:
        job = await jobs.find(db, job_id)
    assert job is not None
    return job


async def change(resources: Resources, statement: str, **values: object) -> None:
    async with resources.db.unit_of_work() as db:
        await db.execute(text(statement), values)


async def events(resources: Resources) -> Sequence[Row[Any]]:
    async with resources.db.session() as db:
        return (await db.execute(text("SELECT type, payload, carrier, available_at FROM outbox ORDER BY id"))).all()


async def event_types(resources: Resources) -> list[str]:
    return [row.type for row in await events(resources)]
