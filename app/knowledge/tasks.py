"""Indexing in a worker: the job is settled with the passages, so whatever is killed, they come once."""

from uuid import UUID

from app.core.resources import Resources
from app.core.tasks import task
from app.jobs import claims
from app.jobs import service as jobs
from app.jobs.errors import ClaimLost
from app.knowledge import service


@task(name="knowledge.index", time_limit=3600)
async def index_document(resources: Resources, job_id: UUID) -> None:
    try:
        async with claims.hold(resources, UUID(str(job_id))) as claim:
            if claim is not None:
                document_id, version = service.subject_of(claim)
                await service.index(resources.db, document_id, version, claim=claim)
    except ClaimLost:
        return


@task(name="knowledge.give_up", time_limit=60)
async def give_up_document(resources: Resources, job_id: UUID) -> None:
    async with resources.db.unit_of_work() as db:
        job = await jobs.find(db, UUID(str(job_id)))
        if job is not None:
            document_id, _, version = job.subject.partition(":")
            await service.give_up(db, UUID(document_id), int(version), reason=job.error or "Given up.")
