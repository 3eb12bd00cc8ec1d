"""Another embedder's vectors for every passage, made in the background while searches go on with those that are there.

One job a change. It can be killed anywhere: what has its vector is not embedded again. When nothing is missing, the new
set comes into use in one transaction; the old one's vectors are deleted when no search can be using them any more.
"""

import uuid
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.core.clock import now
from app.core.resources import Resources
from app.core.telemetry import get_logger
from app.core.vectors.base import IndexUnavailable, Point, Space
from app.inference.embedders import check_embedder
from app.inference.errors import ModelBudgetSpent, ModelBusy, ModelFailed, ModelRefused, ModelUnavailable
from app.jobs import claims
from app.jobs import service as jobs
from app.jobs.service import Claim
from app.knowledge.errors import EmbedderInUse, NothingEmbedded
from app.knowledge.repository import PgVectorIndex, Vectors, drop_graph, embeddings, has_graph, make_graph
from app.knowledge.schemas import EmbedderOut, Embedding
from app.knowledge.service.copying import copy_all
from app.knowledge.service.embedding import embedded, index_of
from app.knowledge.service.indexing import read_as
from app.models.knowledge import EmbeddingSet, EmbeddingState
from app.tickets.service import DESK

log = get_logger(__name__)

EMBED_KIND = "knowledge.embed"
FORGET_KIND = "knowledge.forget"
BATCH = 64
FORGOTTEN_AT_ONCE = 5_000
AWAY_SECONDS = 30.0
BUDGET_SECONDS = 900.0


async def embedder(db: AsyncSession) -> EmbedderOut:
    """What is used, and the newest change."""
    # In this order: a change that is shown as done is then shown in use.
    row = await embeddings.newest(db)
    vectors = await embeddings.active(db)
    index = index_of(db)
    try:
        stats = await index.stats(vectors.space)
    except IndexUnavailable as error:
        log.warning("index_gives_no_figures", index=index.name, error=str(error))
        stats = None
    change = None
    if row is not None:
        change = Embedding(
            embedder=row.name,
            state=EmbeddingState(row.state),
            done=row.done,
            total=row.total,
            dimensions=row.dimensions,
            error=row.error,
            started_at=row.created_at,
        )
    return EmbedderOut(
        embedder=vectors.name,
        dimensions=vectors.space.dimensions,
        index=index.name,
        vectors=None if stats is None else stats.points,
        exact=None if stats is None else stats.exact,
        change=change,
    )


async def change_embedder(db: AsyncSession, who: Principal, *, name: str) -> EmbeddingSet:
    """The change that was asked for; the same one that is under way is the one.

    Raises UnknownModel, and EmbedderInUse when there is nothing to change.
    """
    check_embedder(name)
    await embeddings.hold(db)
    there = await embeddings.row_in(db, EmbeddingState.BUILDING, lock=True)
    if there is not None and there.name == name:
        return there
    if there is not None:
        await _end(db, there, EmbeddingState.CANCELLED)
    if (await embeddings.active(db)).name == name:
        raise EmbedderInUse
    job = jobs.create(db, kind=EMBED_KIND, subject=name[:100])
    await db.flush()
    row = EmbeddingSet(name=name, job_id=job.id, created_by=who.user_id or None, total=await embeddings.searched(db))
    db.add(row)
    await db.flush()
    return row


async def cancel_change(db: AsyncSession) -> None:
    """Raises NothingEmbedded."""
    await embeddings.hold(db)
    there = await embeddings.row_in(db, EmbeddingState.BUILDING, lock=True)
    if there is None:
        raise NothingEmbedded
    await _end(db, there, EmbeddingState.CANCELLED)


async def _end(db: AsyncSession, row: EmbeddingSet, state: EmbeddingState, error: str | None = None) -> None:
    row.state, row.ended_at, row.error = state, now(), error
    jobs.create(db, kind=FORGET_KIND, subject=str(row.id))
    await db.flush()


async def carry_out_embedding(resources: Resources, job_id: uuid.UUID) -> None:
    """Raises ClaimLost, and what only an administrator can mend: then the attempt has failed."""
    async with claims.hold(resources, job_id) as claim:
        if claim is None:
            return
        try:
            await _build(resources, claim)
        except (ModelBudgetSpent, ModelBusy, ModelFailed, IndexUnavailable) as error:
            seconds = BUDGET_SECONDS if isinstance(error, ModelBudgetSpent) else AWAY_SECONDS
            await _note(resources, claim, error)
            async with resources.db.unit_of_work() as db:
                await jobs.postpone(db, claim, until=now() + timedelta(seconds=seconds))
        except (ModelRefused, ModelUnavailable) as error:
            await _note(resources, claim, error)
            raise


async def give_up_embedding(resources: Resources, job_id: uuid.UUID, *, reason: str) -> None:
    async with resources.db.unit_of_work() as db:
        await embeddings.hold(db)
        row = await embeddings.of_job(db, job_id, lock=True)
        if row is not None and row.state == EmbeddingState.BUILDING:
            await _end(db, row, EmbeddingState.FAILED, row.error or reason)


async def _build(resources: Resources, claim: Claim) -> None:
    vectors = await _begun(resources, claim)
    if vectors is None:
        return
    while not await _switched(resources, claim, vectors):
        if not await _filled(resources, claim, vectors):
            return
        if resources.vectors is None:
            async with resources.db.reading() as db:
                await make_graph(db, vectors.space)
        else:
            await copy_all(resources.db, resources.vectors, vectors.space)


async def _begun(resources: Resources, claim: Claim) -> Vectors | None:
    """The set with the length of its vectors; None when it is not to be made any more."""
    async with resources.db.session() as db:
        row = await embeddings.of_job(db, claim.job_id)
    if row is None or row.state != EmbeddingState.BUILDING:
        await _settle(resources, claim)
        return None
    length = row.dimensions
    if length is None:
        length = len((await embedded(resources, DESK, row.name, ["How long are the vectors?"]))[0])
    vectors = Vectors(row.name, Space(row.id, length))
    async with resources.db.unit_of_work() as db:
        await jobs.progress(db, claim, stage="embedding", fraction=0.0)
        row = await embeddings.of_job(db, claim.job_id, lock=True)
        if row is not None:
            row.dimensions, row.total = length, await embeddings.searched(db)
            row.done = await embeddings.counted(db, vectors.space)
    return vectors


async def _settle(resources: Resources, claim: Claim) -> None:
    async with resources.db.unit_of_work() as db:
        await jobs.succeed(db, claim)


async def _filled(resources: Resources, claim: Claim, vectors: Vectors) -> bool:
    """Every passage once from the first to the last; False when the change was cancelled."""
    last: uuid.UUID | None = None
    while True:
        async with resources.db.session() as db:
            rows = await embeddings.without(db, vectors.space, after=last, limit=BATCH)
        if not rows:
            return True
        last = rows[-1].id
        texts = [read_as(row.title, row.headings, row.said) for row in rows]
        found = await embedded(resources, DESK, vectors.name, texts)
        if any(len(vector) != vectors.space.dimensions for vector in found):
            raise ModelFailed("The embedder gives vectors of another length than at first.")
        points = [
            Point(row.id, row.document_id, row.version, (), vector) for row, vector in zip(rows, found, strict=True)
        ]
        async with resources.db.unit_of_work() as db:
            row = await embeddings.of_job(db, claim.job_id, lock=True)
            if row is None or row.state != EmbeddingState.BUILDING:
                await jobs.succeed(db, claim)
                return False
            await PgVectorIndex(db).upsert(vectors.space, points)
            row.done, row.error = row.done + len(points), None
            await jobs.progress(db, claim, stage="embedding", fraction=row.done / max(row.total, row.done))


async def _switched(resources: Resources, claim: Claim, vectors: Vectors) -> bool:
    """From here on searches use it, if every passage has its vector; also when there is nothing left to decide."""
    async with resources.db.unit_of_work() as db:
        await embeddings.may_switch(db)
        row = await embeddings.of_job(db, claim.job_id, lock=True)
        if row is None or row.state != EmbeddingState.BUILDING:
            await jobs.succeed(db, claim)
            return True
        ready = resources.vectors is not None or await has_graph(db, vectors.space)
        if not ready or await embeddings.lacking(db, vectors.space):
            return False
        old = await embeddings.active(db)
        await embeddings.retire_active(db, at=now())
        row.state, row.error = EmbeddingState.ACTIVE, None
        row.done = row.total = await embeddings.counted(db, vectors.space)
        jobs.create(db, kind=FORGET_KIND, subject=str(old.space.id))
        await jobs.succeed(db, claim)
    log.info("embedder_changed", name=vectors.name, set=vectors.space.id)
    return True


async def _note(resources: Resources, claim: Claim, error: Exception) -> None:
    async with resources.db.unit_of_work() as db:
        row = await embeddings.of_job(db, claim.job_id, lock=True)
        if row is not None and row.state == EmbeddingState.BUILDING:
            row.error = str(getattr(error, "detail", error))[:1000]


async def carry_out_forgetting(resources: Resources, job_id: uuid.UUID) -> None:
    """A set that no search uses any more: its vectors, its graph, its copy elsewhere. Raises ClaimLost."""
    async with claims.hold(resources, job_id) as claim:
        if claim is None:
            return
        async with resources.db.session() as db:
            job = await jobs.find(db, job_id)
            used = {vectors.space.id for vectors in await embeddings.in_use(db)}
            space = await embeddings.space(db, int(claim.subject))
        due = now() if job is None else job.created_at + timedelta(seconds=resources.settings.knowledge.retire_seconds)
        if due > now():
            async with resources.db.unit_of_work() as db:
                await jobs.postpone(db, claim, until=due)
            return
        if space.id not in used:
            try:
                await _forget(resources, claim, space)
            except IndexUnavailable as error:
                log.warning("forgetting_postponed", set=space.id, error=str(error))
                async with resources.db.unit_of_work() as db:
                    await jobs.postpone(db, claim, until=now() + timedelta(seconds=AWAY_SECONDS))
                return
        await _settle(resources, claim)


async def _forget(resources: Resources, claim: Claim, space: Space) -> None:
    gone = FORGOTTEN_AT_ONCE
    while gone == FORGOTTEN_AT_ONCE:
        async with resources.db.unit_of_work() as db:
            gone = await embeddings.forget(db, space, limit=FORGOTTEN_AT_ONCE)
            await jobs.progress(db, claim, stage="forgetting", fraction=0.0)
    async with resources.db.reading() as db:
        await drop_graph(db, space)
    if resources.vectors is not None:
        await resources.vectors.drop(space)
