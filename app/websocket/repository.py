"""The table of what was pushed: the memory behind Redis, which forgets, and behind sockets, which break."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg
from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession

from app.models.outbox import Notification

DATABASE_AWAY = (DBAPIError, PoolTimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
"""Raised while the database cannot be asked. Connecting raises asyncpg's own errors, which SQLAlchemy does not wrap."""

_COLUMNS = (Notification.seq, Notification.protocol, Notification.type, Notification.data, Notification.created_at)


class Published(BaseModel):
    """A notification as the relay publishes it in Redis."""

    channel: str
    seq: int
    protocol: str
    type: str
    data: dict[str, Any]
    timestamp: datetime


@dataclass(frozen=True, slots=True)
class Message:
    """A notification ready to go out: `frame` is made once, however many watch."""

    seq: int
    frame: str


def message(*, seq: int, protocol: str, type_: str, data: Mapping[str, Any], timestamp: datetime) -> Message:
    at = timestamp.astimezone(UTC).isoformat().replace("+00:00", "Z")
    envelope = {"type": type_, "protocol": protocol, "success": True, "timestamp": at, "data": data, "seq": seq}
    return Message(seq, json.dumps(envelope, ensure_ascii=False, separators=(",", ":")))


def from_redis(payload: str) -> Message:
    """Raises pydantic's ValidationError for what no relay has published."""
    sent = Published.model_validate_json(payload)
    return message(seq=sent.seq, protocol=sent.protocol, type_=sent.type, data=sent.data, timestamp=sent.timestamp)


class NotificationRepository:
    """Who may read a channel was decided when it was subscribed to."""

    def __init__(self, db: AsyncSession) -> None:
        self.db = db

    async def after(self, channel: str, seq: int, *, limit: int) -> list[Message]:
        """The next `limit` messages after `seq`, in order."""
        query = select(*_COLUMNS).where(Notification.channel == channel, Notification.seq > seq)
        rows = (await self.db.execute(query.order_by(Notification.seq).limit(limit))).all()
        return [
            message(seq=row.seq, protocol=row.protocol, type_=row.type, data=row.data, timestamp=row.created_at)
            for row in rows
        ]

    async def newest(self, channels: Sequence[str]) -> dict[str, int]:
        """The highest `seq` of each channel that has any."""
        query = select(Notification.channel, func.max(Notification.seq)).where(Notification.channel.in_(channels))
        rows = (await self.db.execute(query.group_by(Notification.channel))).all()
        return {row.channel: row[1] for row in rows}
