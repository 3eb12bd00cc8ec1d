"""The table of what was pushed: the memory behind Redis, which forgets, and behind sockets, which break."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import asyncpg
from pydantic import BaseModel
from sqlalchemy import any_, bindparam, func, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import BigInteger, Text

from app.models.outbox import Notification
from app.websocket.frames import text_frame

DATABASE_AWAY = (DBAPIError, PoolTimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
"""Raised while the database cannot be asked. Connecting raises asyncpg's own errors, which SQLAlchemy does not wrap."""

FINAL = "ticket_deleted"
"""After a message of this type there is nothing more to watch."""

_COLUMNS = (Notification.seq, Notification.protocol, Notification.type, Notification.data, Notification.created_at)


_AFTER = text(
    """
    SELECT w.channel, w.after, n.seq, n.protocol, n.type, n.data, n.created_at
    FROM unnest(:channels, :afters) AS w(channel, after) CROSS JOIN LATERAL (
        SELECT * FROM notifications m WHERE m.channel = w.channel AND m.seq > w.after ORDER BY m.seq LIMIT :limit
    ) n ORDER BY w.channel, w.after, n.seq
    """
).bindparams(bindparam("channels", type_=ARRAY(Text)), bindparam("afters", type_=ARRAY(BigInteger)))


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
    """A notification ready to go out: `frame` is made once, however many watch. `final`: its channel is over."""

    seq: int
    frame: bytes
    final: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """What a channel has after some number: `newest` is its highest, `missed` what is kept of it, in order."""

    newest: int = 0
    missed: list[Message] = field(default_factory=list)


def message(*, seq: int, protocol: str, type_: str, data: Mapping[str, Any], timestamp: datetime) -> Message:
    at = timestamp.astimezone(UTC).isoformat().replace("+00:00", "Z")
    envelope = {"type": type_, "protocol": protocol, "success": True, "timestamp": at, "data": data, "seq": seq}
    text = json.dumps(envelope, ensure_ascii=False, separators=(",", ":"))
    return Message(seq, text_frame(text), final=type_ == FINAL)


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
        wanted = any_(literal(list(channels), ARRAY(Text)))
        query = select(Notification.channel, func.max(Notification.seq)).where(Notification.channel == wanted)
        rows = (await self.db.execute(query.group_by(Notification.channel))).all()
        return {row.channel: row[1] for row in rows}

    async def histories(self, asked: Collection[tuple[str, int]], *, limit: int) -> dict[tuple[str, int], History]:
        """For many channels at once: what came after a number of each, `limit` messages at most."""
        # In this order: what comes between the two reads is among the rows.
        newest = await self.newest(sorted({channel for channel, _ in asked}))
        missed: dict[tuple[str, int], list[Message]] = {key: [] for key in asked}
        values = {"channels": [key[0] for key in asked], "afters": [key[1] for key in asked], "limit": limit}
        made: dict[tuple[str, int], Message] = {}
        for row in await self.db.execute(_AFTER, values):
            one = made.get((row.channel, row.seq))
            if one is None:
                one = made[row.channel, row.seq] = message(
                    seq=row.seq, protocol=row.protocol, type_=row.type, data=row.data, timestamp=row.created_at
                )
            missed[row.channel, row.after].append(one)
        return {key: History(newest.get(key[0], 0), rows) for key, rows in missed.items()}
