from typing import Any

from sqlalchemy import Select, false, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from app.core.auth import Role
from app.core.repository import Repository
from app.grounding.errors import ThresholdsVersionUnknown
from app.models.grounding import AnswerThresholds
from app.models.user import User

_ONE_WRITER = text("SELECT pg_advisory_xact_lock(hashtext('answer_thresholds'))")


class ThresholdsRepository(Repository[AnswerThresholds]):
    """For people: administrators see every version, nobody else any."""

    model = AnswerThresholds
    missing = ThresholdsVersionUnknown

    def visible(self) -> Select[AnswerThresholds]:
        query = select(AnswerThresholds)
        return query if self.who.role is Role.ADMIN else query.where(false())

    def _key(self) -> InstrumentedAttribute[Any]:
        return AnswerThresholds.version


async def newest(db: AsyncSession) -> AnswerThresholds | None:
    """What is in force. For the product itself: every answer is judged, whoever asked."""
    query = select(AnswerThresholds).order_by(AnswerThresholds.version.desc()).limit(1)
    return (await db.execute(query)).scalar_one_or_none()


async def hold(db: AsyncSession) -> None:
    """Let one writer at a time add a version, also the first."""
    await db.execute(_ONE_WRITER)


async def usernames(db: AsyncSession, ids: set[int]) -> dict[int, str]:
    rows = await db.execute(select(User.id, User.username).where(User.id.in_(ids)))
    return {row.id: row.username for row in rows}
