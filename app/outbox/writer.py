"""Writing an event down with its cause. The only way in: whoever adds a row commits it with what it is about."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.schemas import Event
from app.core.telemetry import inject
from app.models.outbox import OutboxRow


def add(
    db: AsyncSession, event: Event, *, not_before: datetime | None = None, carrier: Mapping[str, str] | None = None
) -> None:
    """Goes out after the unit of work commits, and not before `not_before`, which holds back its whole aggregate.

    `carrier` replaces the present trace and correlation id where the cause lies further back.
    """
    row = OutboxRow(
        aggregate=event.aggregate,
        type=event.type,
        payload=event.model_dump(mode="json"),
        carrier=inject() if carrier is None else dict(carrier),
    )
    if not_before is not None:
        row.available_at = not_before
    db.add(row)
