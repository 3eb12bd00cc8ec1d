from sqlalchemy import Select, false, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.ai_config.errors import ConfigVersionUnknown
from app.core.auth import Role
from app.core.repository import Repository
from app.models.agent import AiConfig
from app.models.user import User


class AiConfigRepository(Repository[AiConfig]):
    """For people: administrators see every version, nobody else any."""

    model = AiConfig
    missing = ConfigVersionUnknown

    def visible(self) -> Select[AiConfig]:
        query = select(AiConfig)
        return query if self.who.role is Role.ADMIN else query.where(false())

    async def version(self, agent_type: str, version: int) -> AiConfig:
        query = self.visible().where(AiConfig.agent_type == agent_type, AiConfig.version == version)
        row = (await self.db.execute(query)).scalar_one_or_none()
        if row is None:
            raise self.missing
        return row


async def newest(db: AsyncSession, agent_type: str) -> AiConfig | None:
    """The active version. For the product itself: a run needs its configuration whoever asked for the run."""
    query = select(AiConfig).where(AiConfig.agent_type == agent_type).order_by(AiConfig.version.desc()).limit(1)
    return (await db.execute(query)).scalar_one_or_none()


async def hold(db: AsyncSession, agent_type: str) -> None:
    """Let one writer at a time add a version: the first row is locked until the unit of work ends."""
    query = select(AiConfig.id).where(AiConfig.agent_type == agent_type, AiConfig.version == 1).with_for_update()
    await db.execute(query)


async def add_first(db: AsyncSession, rows: list[dict[str, object]]) -> None:
    """Version 1 of each, unless there is one."""
    await db.execute(insert(AiConfig).values(rows).on_conflict_do_nothing())


async def usernames(db: AsyncSession, ids: set[int]) -> dict[int, str]:
    rows = await db.execute(select(User.id, User.username).where(User.id.in_(ids)))
    return {row.id: row.username for row in rows}
