"""Outbox rows as administrators see them; nobody else sees any."""

from collections.abc import Sequence

from sqlalchemy import func, select, update

from app.core.pagination import Page
from app.core.repository import AdministratorsRepository
from app.models.outbox import OutboxRow, OutboxState
from app.outbox.errors import OutboxEventMissing
from app.outbox.writer import WAKE_CHANNEL


class OutboxRepository(AdministratorsRepository[OutboxRow]):
    model = OutboxRow
    missing = OutboxEventMissing

    async def dead(self, *, cursor: str | None, limit: int) -> Page[OutboxRow]:
        """Oldest first, as they would go out again."""
        query = self.visible().where(OutboxRow.state == OutboxState.DEAD)
        return await self.page(query, descending=False, cursor=cursor, limit=limit)

    async def redrive(self, ids: Sequence[int] | None = None) -> Sequence[int]:
        """These, or all, of the dead ones: pending again with all their attempts. Says which."""
        chosen = self.visible().where(OutboxRow.state == OutboxState.DEAD)
        if ids is not None:
            chosen = chosen.where(OutboxRow.id.in_(ids))
        redriven = await self.db.execute(
            update(OutboxRow)
            .where(OutboxRow.id.in_(chosen.with_only_columns(OutboxRow.id)), OutboxRow.state == OutboxState.DEAD)
            .values(state=OutboxState.PENDING, attempts=0, available_at=func.now())
            .returning(OutboxRow.id)
            .execution_options(synchronize_session=False)
        )
        # As an insert would: relays sleep.
        await self.db.execute(select(func.pg_notify(WAKE_CHANNEL, "")))
        return redriven.scalars().all()
