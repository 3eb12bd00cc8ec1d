import uuid
from collections.abc import Sequence

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.repository import AdministratorsRepository
from app.learning.errors import HeadUnknown
from app.models.classifier import ClassifierHead, HeadStatus
from app.models.learning import ExampleField, TrainingExample

_ONE_WRITER = text("SELECT pg_advisory_xact_lock(hashtext('classifier_heads'))")


class HeadRepository(AdministratorsRepository[ClassifierHead]):
    """Administrators see every version, nobody else any."""

    model = ClassifierHead
    missing = HeadUnknown

    async def version(self, version: int) -> ClassifierHead:
        row = (await self.db.execute(self.visible().where(ClassifierHead.version == version))).scalar_one_or_none()
        if row is None:
            raise self.missing
        return row

    async def newest(self, *, limit: int) -> Sequence[ClassifierHead]:
        query = self.visible().order_by(ClassifierHead.version.desc()).limit(limit)
        return (await self.db.execute(query)).scalars().all()


async def hold(db: AsyncSession) -> None:
    """One writer at a time decides which version is active, until the unit of work ends."""
    await db.execute(_ONE_WRITER)


async def last_version(db: AsyncSession) -> int:
    return (await db.execute(select(func.max(ClassifierHead.version)))).scalar_one() or 0


async def active(db: AsyncSession) -> tuple[int, str] | None:
    """Version and checksum of its weights. For the product itself, before every use of the classifier."""
    query = select(ClassifierHead.version, ClassifierHead.checksum).where(ClassifierHead.status == HeadStatus.ACTIVE)
    row = (await db.execute(query)).one_or_none()
    return None if row is None else (row.version, row.checksum or "")


async def artefact(db: AsyncSession, version: int) -> tuple[bytes, bytes]:
    query = select(ClassifierHead.weights, ClassifierHead.description).where(ClassifierHead.version == version)
    row = (await db.execute(query)).one()
    return row.weights, row.description


async def of_job(db: AsyncSession, job_id: uuid.UUID) -> ClassifierHead:
    query = select(ClassifierHead).where(ClassifierHead.job_id == job_id).with_for_update()
    return (await db.execute(query)).scalar_one()


async def training(db: AsyncSession) -> ClassifierHead | None:
    query = select(ClassifierHead).where(ClassifierHead.status == HeadStatus.TRAINING)
    return (await db.execute(query.order_by(ClassifierHead.version).limit(1))).scalar_one_or_none()


async def retire_active(db: AsyncSession) -> None:
    await db.execute(
        update(ClassifierHead).where(ClassifierHead.status == HeadStatus.ACTIVE).values(status=HeadStatus.READY)
    )


async def newest_examples(db: AsyncSession, field: ExampleField, *, limit: int) -> Sequence[TrainingExample]:
    """The last judgements, oldest first."""
    query = select(TrainingExample).where(TrainingExample.field == field)
    rows = (await db.execute(query.order_by(TrainingExample.id.desc()).limit(limit))).scalars().all()
    return list(reversed(rows))


async def judged_since_last_training(db: AsyncSession, field: ExampleField) -> int:
    """A later judgement of the same ticket's field moves its time on, not its number."""
    last = select(func.max(ClassifierHead.created_at)).scalar_subquery()
    query = select(func.count()).where(
        TrainingExample.field == field, TrainingExample.created_at > func.coalesce(last, text("'-infinity'"))
    )
    return (await db.execute(query)).scalar_one()
