"""Writing an event down with its cause. The only way in: whoever adds a row commits it with what it is about."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Insert, Table, Text, bindparam, cast, func, insert, literal, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.schemas import Event
from app.core.telemetry import inject
from app.models.outbox import OutboxRow, OutboxState

WAKE_CHANNEL = "outbox"
"""Notified with every row that is added (by a trigger) or redriven: relays sleep."""

_outbox: Table = OutboxRow.__table__  # type: ignore[assignment]


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


def adding(event: type[Event], *, kind: str, field: str, number: ColumnElement[int]) -> Insert:
    """The row as a part of the statement that makes what it is about, to be run with `values(event)`.

    For events of what has no number yet: `number`, a column of that statement's CTE, becomes the payload's `field` and
    the aggregate "kind:number", whatever the event itself says there.
    """
    payload = bindparam("event_payload", type_=JSONB).op("||")(func.jsonb_build_object(literal(field, Text), number))
    row = select(
        literal(f"{kind}:", Text) + cast(number, Text),
        literal(event.type, Text),
        payload,
        bindparam("event_carrier", type_=JSONB),
        literal(OutboxState.PENDING.value, Text),
        literal(0),
    )
    columns = ["aggregate", "type", "payload", "carrier", "state", "attempts"]
    return insert(_outbox).from_select(columns, row, include_defaults=False)


def values(event: Event) -> dict[str, Any]:
    return {"event_payload": event.model_dump(mode="json"), "event_carrier": inject()}
