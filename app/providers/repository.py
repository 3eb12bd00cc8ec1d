from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.models.spending import PlatformVersion
from app.models.user import User

_ONE_WRITER = text("SELECT pg_advisory_xact_lock(hashtext('platform_versions'))")


async def newest(db: AsyncSession) -> PlatformVersion | None:
    query = select(PlatformVersion).order_by(PlatformVersion.version.desc()).limit(1)
    return (await db.execute(query)).scalar_one_or_none()


async def hold(db: AsyncSession) -> None:
    """Let one writer at a time add a version, also the first."""
    await db.execute(_ONE_WRITER)


async def author(db: AsyncSession, version: PlatformVersion) -> str | None:
    return (await db.execute(select(User.username).where(User.id == version.author_id))).scalar_one_or_none()
