"""Documents of a desk with another index or embedder than the delivered ones, and its jobs done without a worker."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from app.core.auth import Principal
from app.core.resources import Resources, open_resources
from app.core.settings import DatabaseSettings, KnowledgeSettings, ModelSettings
from app.core.settings.models import CompatibleEndpoint
from app.knowledge import service as knowledge
from app.knowledge.schemas import Acl, DocumentIn
from app.knowledge.tasks import copy_vectors, embed_all, forget_vectors, give_up_embedding, index_document
from app.models.job import Job, JobState

TASKS = {
    knowledge.JOB_KIND: index_document,
    knowledge.COPY_KIND: copy_vectors,
    knowledge.EMBED_KIND: embed_all,
    knowledge.FORGET_KIND: forget_vectors,
}
EVERYBODY = Acl(public=True)


@asynccontextmanager
async def desk(resources: Resources, *, embedders: str | None = None, **knows: Any) -> AsyncIterator[Resources]:
    """The same database and Redis, with other settings; `embedders` is the address of `compatible:peer/…`."""
    known = KnowledgeSettings(**{"retire_seconds": 0, "index_seconds": 10, **knows})
    endpoints = {} if embedders is None else {"peer": CompatibleEndpoint(base_url=embedders)}
    changed = {
        "knowledge": known,
        "models": ModelSettings(compatible=endpoints),
        "database": DatabaseSettings(pool_size=4),
    }
    async with open_resources(resources.settings.model_copy(update=changed)) as opened:
        yield opened


async def write(
    resources: Resources, who: Principal, text: str, *, title: str = "Manual", acl: Acl = EVERYBODY
) -> UUID:
    async with resources.db.unit_of_work() as db:
        return (await knowledge.create(db, who, document=DocumentIn(title=title, text=text, acl=acl))).doc_id


async def work(resources: Resources, *kinds: str) -> int:
    """Every job that is due now, of these kinds or of all, until there is none; how many."""
    done = 0
    while True:
        async with resources.db.session() as db:
            query = select(Job.id, Job.kind).where(Job.state == JobState.QUEUED, Job.kind.in_(kinds or TASKS))
            query = query.where(Job.due_at <= func.clock_timestamp(), Job.attempts == 0)
            due = (await db.execute(query.order_by(Job.created_at, Job.id))).all()
        if not due:
            return done
        for job_id, kind in due:
            await TASKS[kind].handler(resources, job_id)
            done += 1


async def job_of(resources: Resources, kind: str) -> Job:
    """The newest of its kind."""
    async with resources.db.session() as db:
        query = select(Job).where(Job.kind == kind).order_by(Job.created_at.desc(), Job.id.desc()).limit(1)
        return (await db.execute(query)).scalar_one()


async def found(resources: Resources, who: Principal, query: str) -> knowledge.Findings:
    async with resources.db.reading() as db:
        return await knowledge.find(db, who, query=query)


__all__ = ["TASKS", "desk", "embed_all", "found", "give_up_embedding", "job_of", "work", "write"]
