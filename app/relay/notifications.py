"""Numbering pushes and keeping them for replay, before anybody sees them.

They are committed on a connection of their own while the claim is still open: what was published is always in the
table, and a row that is delivered again finds the numbers it was given the first time.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DataError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import BigInteger, Text

from app.core.db import Database
from app.relay.plan import Plan, PlannedPush

_LOCK_SPACE = 0x6E6F7469  # "noti": the first key of our advisory locks, apart from everybody else's

# In one order everywhere, so that two relays wait for each other at most one way.
_LOCK_CHANNELS = text("SELECT pg_advisory_xact_lock(:space, key) FROM unnest(CAST(:keys AS integer[])) AS k(key)")

_INSERT = text(
    """
    INSERT INTO notifications (channel, seq, outbox_id, type, protocol, data, created_at)
    SELECT w.channel,
           coalesce((SELECT max(n.seq) FROM notifications n WHERE n.channel = w.channel), 0)
               + row_number() OVER (PARTITION BY w.channel ORDER BY w.position),
           w.outbox_id, w.type, w.protocol, w.data::jsonb, clock_timestamp()
    FROM unnest(:channels, :outbox_ids, :types, :protocols, :data)
         WITH ORDINALITY AS w(channel, outbox_id, type, protocol, data, position)
    WHERE NOT EXISTS (SELECT FROM notifications n WHERE n.outbox_id = w.outbox_id AND n.channel = w.channel)
    ON CONFLICT DO NOTHING
    """
).bindparams(
    bindparam("outbox_ids", type_=ARRAY(BigInteger)),
    *(bindparam(name, type_=ARRAY(Text)) for name in ("channels", "types", "protocols", "data")),
)
_READ = text(
    "SELECT outbox_id, channel, seq, created_at FROM notifications WHERE outbox_id = ANY(:outbox_ids)"
).bindparams(bindparam("outbox_ids", type_=ARRAY(BigInteger)))


class NumberTaken(Exception):
    """Another relay numbered the same channel at the same moment, because our locks were lost. Try the batch again."""


@dataclass(frozen=True, slots=True)
class Numbered:
    planned: PlannedPush
    seq: int
    created_at: datetime


async def number(claim: AsyncSession, database: Database, plan: Plan) -> list[Numbered]:
    """All pushes of the plan with their numbers, committed; a row whose data the database refuses fails alone.

    The channels stay locked until the transaction of `claim` ends, so that what is numbered first is published first.
    """
    if not plan.pushes:
        return []
    keys = sorted({lock_key(planned.push.channel) for planned in plan.pushes})
    await claim.execute(_LOCK_CHANNELS, {"space": _LOCK_SPACE, "keys": keys})
    try:
        return await _record(database, plan.pushes)
    except DBAPIError as error:
        if not _is_about_data(error):
            raise
    numbered: list[Numbered] = []
    for row, pushes in groupby(plan.pushes, key=attrgetter("row")):
        if not plan.stands(row):
            continue
        try:
            numbered += await _record(database, list(pushes))
        except DBAPIError as error:
            if not _is_about_data(error):
                raise
            plan.fail(row, error.orig or error)
    return numbered


def _is_about_data(error: DBAPIError) -> bool:
    """SQLSTATE class 22: a value it cannot take. asyncpg's class for U+0000 in JSON is one of them."""
    state = str(getattr(error.orig, "sqlstate", "") or "")
    return isinstance(error, DataError) or state.startswith("22")


async def _record(database: Database, pushes: Sequence[PlannedPush]) -> list[Numbered]:
    outbox_ids = [planned.row.id for planned in pushes]
    async with database.unit_of_work() as db:
        await db.execute(
            _INSERT,
            {
                "channels": [planned.push.channel for planned in pushes],
                "outbox_ids": outbox_ids,
                "types": [planned.push.type for planned in pushes],
                "protocols": [planned.push.protocol for planned in pushes],
                "data": [planned.data for planned in pushes],
            },
        )
        rows = (await db.execute(_READ, {"outbox_ids": sorted(set(outbox_ids))})).all()
    found = {(row.outbox_id, row.channel): row for row in rows}
    numbered: list[Numbered] = []
    for planned in pushes:
        row = found.get((planned.row.id, planned.push.channel))
        if row is None:
            raise NumberTaken(planned.push.channel)
        numbered.append(Numbered(planned, row.seq, row.created_at))
    return numbered


def lock_key(channel: str) -> int:
    """A signed 32-bit key; two channels may share one, which costs them a little waiting."""
    return zlib.crc32(channel.encode()) - 2**31
