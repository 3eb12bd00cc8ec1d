from collections.abc import Collection

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from app.core.auth import Principal
from app.core.errors import NotFound
from app.core.repository import AdministratorsRepository
from app.models.versions import ValueVersion


class VersionRepository(AdministratorsRepository[ValueVersion]):
    """For people: administrators see every version of a subject, nobody else any."""

    model = ValueVersion

    def __init__(self, db: AsyncSession, who: Principal, subject: str, missing: type[NotFound]) -> None:
        super().__init__(db, who)
        self._subject = subject
        self.missing = missing  # type: ignore[misc] # of each subject its own

    def visible(self) -> Select[ValueVersion]:
        return super().visible().where(ValueVersion.subject == self._subject)

    def _key(self) -> InstrumentedAttribute[int]:
        return ValueVersion.version


async def newest(db: AsyncSession, subject: str) -> ValueVersion | None:
    """What is in force. For the product itself, whoever asked for what it does."""
    query = select(ValueVersion).where(ValueVersion.subject == subject).order_by(ValueVersion.version.desc()).limit(1)
    return (await db.execute(query)).scalar_one_or_none()


async def some(db: AsyncSession, subject: str, numbers: Collection[int]) -> dict[int, ValueVersion]:
    query = select(ValueVersion).where(ValueVersion.subject == subject, ValueVersion.version.in_(numbers))
    return {row.version: row for row in (await db.execute(query)).scalars()}


async def hold(db: AsyncSession, subject: str) -> None:
    """Let one writer at a time add a version, also the first."""
    await db.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"value_versions:{subject}", 0))))
