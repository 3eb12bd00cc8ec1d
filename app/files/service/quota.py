"""How much may be stored, by one person and by all: counted and taken in one transaction, one taker at a time."""

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.core.settings import FileSettings
from app.files.errors import QuotaExceeded
from app.files.repository.uploads import stored_bytes

_LOCK = 1702257002
"""First half of the advisory locks; the second is a person, or 0 for all."""


async def claim(db: AsyncSession, who: Principal, size: int, settings: FileSettings) -> None:
    """Make sure that `size` bytes more may be stored; others wait until this unit of work ends. Raises QuotaExceeded.

    What unfinished resumable uploads have announced counts as stored.
    """
    # The wider lock first, by everybody, so that no two wait for each other.
    if settings.total_quota_bytes:
        await _claim(db, None, size, settings.total_quota_bytes, "All files together")
    if settings.user_quota_bytes:
        await _claim(db, who.user_id, size, settings.user_quota_bytes, "Your files together")


async def _claim(db: AsyncSession, user_id: int | None, size: int, limit: int, whose: str) -> None:
    # Ids beyond 32 bits share locks, which costs a wait and no more.
    await db.execute(_locked(_LOCK, (user_id or 0) % 2**31))
    if await stored_bytes(db, user_id) + size > limit:
        raise QuotaExceeded(f"{whose} may take at most {limit:,} bytes.")


def _locked(first: int, second: int) -> Select[None]:
    return select(func.pg_advisory_xact_lock(first, second))
