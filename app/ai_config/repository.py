from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.ai_config.errors import ConfigVersionUnknown
from app.core.repository import AdministratorsRepository
from app.models.agent import AiConfig, AiConfigState


@dataclass(frozen=True, slots=True)
class InForce:
    """What runs of an agent start with now: the candidate takes `rollout` percent of them."""

    active: AiConfig
    candidate: AiConfig | None
    rollout: int


class AiConfigRepository(AdministratorsRepository[AiConfig]):
    """For people: administrators see every version, nobody else any."""

    model = AiConfig
    missing = ConfigVersionUnknown

    async def version(self, agent_type: str, version: int) -> AiConfig:
        query = self.visible().where(AiConfig.agent_type == agent_type, AiConfig.version == version)
        row = (await self.db.execute(query)).scalar_one_or_none()
        if row is None:
            raise self.missing
        return row


async def in_force(db: AsyncSession, agent_type: str) -> InForce | None:
    """For the product itself: a run needs its configuration whoever asked for the run. One statement, so that what is
    seen is of one moment."""
    query = (
        select(AiConfig, AiConfigState.active_version, AiConfigState.rollout)
        .join(AiConfigState, AiConfigState.agent_type == AiConfig.agent_type)
        .where(
            AiConfigState.agent_type == agent_type,
            or_(AiConfig.version == AiConfigState.active_version, AiConfig.version == AiConfigState.candidate_version),
        )
    )
    found = (await db.execute(query)).all()
    if not found:
        return None
    active = next(row for row, version, _ in found if row.version == version)
    candidate = next((row for row, version, _ in found if row.version != version), None)
    return InForce(active, candidate, found[0].rollout)


async def hold(db: AsyncSession, agent_type: str) -> AiConfigState | None:
    """Let one writer at a time change what is in force, until the unit of work ends."""
    query = select(AiConfigState).where(AiConfigState.agent_type == agent_type).with_for_update()
    return (await db.execute(query.execution_options(populate_existing=True))).scalar_one_or_none()


async def last_version(db: AsyncSession, agent_type: str) -> int:
    query = select(func.max(AiConfig.version)).where(AiConfig.agent_type == agent_type)
    return (await db.execute(query)).scalar_one() or 0


async def versions(db: AsyncSession, agent_type: str, numbers: Collection[int]) -> Sequence[AiConfig]:
    if not numbers:
        return []
    query = select(AiConfig).where(AiConfig.agent_type == agent_type, AiConfig.version.in_(numbers))
    return (await db.execute(query)).scalars().all()


async def add_first(db: AsyncSession, rows: list[dict[str, object]]) -> None:
    """Version 1 of each, unless there is one; and it is in force, unless another is."""
    await db.execute(insert(AiConfig).values(rows).on_conflict_do_nothing())
    states = [{"agent_type": row["agent_type"], "active_version": row["version"]} for row in rows]
    await db.execute(insert(AiConfigState).values(states).on_conflict_do_nothing())
