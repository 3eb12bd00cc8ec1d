"""Dead letters: what the relay gave up, seen and sent out again by administrators."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.core.pagination import Page
from app.models.outbox import OutboxRow
from app.outbox.errors import OutboxEventNotDead
from app.outbox.repository import OutboxRepository


async def dead(db: AsyncSession, who: Principal, *, cursor: str | None, limit: int) -> Page[OutboxRow]:
    return await OutboxRepository(db, who).dead(cursor=cursor, limit=limit)


async def redrive(db: AsyncSession, who: Principal, event_id: int) -> OutboxRow:
    """Later events of its aggregate may be out already: the receiver meets this one late."""
    repository = OutboxRepository(db, who)
    await repository.get(event_id)
    if not await repository.redrive([event_id]):
        raise OutboxEventNotDead
    return await repository.get(event_id, lock=True)


async def redrive_all(db: AsyncSession, who: Principal) -> int:
    return len(await OutboxRepository(db, who).redrive())
