import uuid
from collections.abc import Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.repository import AdministratorsRepository
from app.evaluations.errors import EvaluationSetUnknown, EvaluationUnknown
from app.models.evaluation import EvaluationReport, EvaluationSet
from app.models.user import User


class SetRepository(AdministratorsRepository[EvaluationSet]):
    """Administrators see all of them, nobody else any."""

    model = EvaluationSet
    missing = EvaluationSetUnknown

    async def of(self, agent_type: str) -> Sequence[EvaluationSet]:
        query = self.visible().where(EvaluationSet.agent_type == agent_type).order_by(EvaluationSet.name)
        return (await self.db.execute(query)).scalars().all()

    async def named(self, agent_type: str, name: str) -> EvaluationSet:
        query = self.visible().where(EvaluationSet.agent_type == agent_type, EvaluationSet.name == name)
        row = (await self.db.execute(query)).scalar_one_or_none()
        if row is None:
            raise self.missing
        return row


class ReportRepository(AdministratorsRepository[EvaluationReport]):
    model = EvaluationReport
    missing = EvaluationUnknown


async def store(db: AsyncSession, values: dict[str, object]) -> None:
    """Create or replace; each change has the next version."""
    new = insert(EvaluationSet).values(values)
    changed = {name: new.excluded[name] for name in ("description", "cases", "author_id")}
    await db.execute(
        new.on_conflict_do_update(
            index_elements=["agent_type", "name"],
            set_={**changed, "version": EvaluationSet.version + 1, "updated_at": func.clock_timestamp()},
        ).execution_options(populate_existing=True)
    )


async def drop(db: AsyncSession, row: EvaluationSet) -> None:
    await db.execute(delete(EvaluationSet).where(EvaluationSet.id == row.id))


async def agents_with_sets(db: AsyncSession) -> set[str]:
    return set((await db.execute(select(EvaluationSet.agent_type).distinct())).scalars())


async def add_first(db: AsyncSession, rows: list[dict[str, object]]) -> None:
    await db.execute(insert(EvaluationSet).values(rows).on_conflict_do_nothing())


async def report_of_job(db: AsyncSession, job_id: uuid.UUID) -> EvaluationReport:
    query = select(EvaluationReport).where(EvaluationReport.job_id == job_id).with_for_update()
    return (await db.execute(query)).scalar_one()


async def report(db: AsyncSession, report_id: uuid.UUID) -> EvaluationReport:
    return (await db.execute(select(EvaluationReport).where(EvaluationReport.id == report_id))).scalar_one()


async def author(db: AsyncSession, user_id: int) -> User:
    return (await db.execute(select(User).where(User.id == user_id))).scalar_one()
