"""Claiming rows and settling them, a batch at a time.

The claim is a row lock held by an open transaction: a relay that dies gives its rows back at once, without a clock.
Only the oldest pending row of an aggregate can be claimed, and its followers come with it, so two relays never work on
one aggregate and its order is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import BigInteger, Boolean, Double, Text

from app.core.backoff import doubled, spread
from app.core.settings import OutboxSettings

MAX_ERROR_CHARS = 500

# A relay that stands still (a stopped process, a cut network) must not hold its rows for ever.
_LIMIT_IDLE = text("SELECT set_config('idle_in_transaction_session_timeout', '60s', true)")

# A subquery for the head, not NOT EXISTS: the planner could turn that into a join over the whole backlog.
_LOCK_HEADS = text(
    """
    SELECT o.aggregate FROM outbox o
    WHERE o.state = 'pending' AND o.available_at <= clock_timestamp()
      AND o.id = (SELECT min(e.id) FROM outbox e WHERE e.aggregate = o.aggregate AND e.state = 'pending')
    ORDER BY o.available_at, o.id LIMIT :heads
    FOR NO KEY UPDATE OF o SKIP LOCKED
    """
)
# Each aggregate gets an equal share of the batch, so that a busy one does not keep the others waiting.
_LOCK_ROWS = text(
    """
    SELECT f.* FROM unnest(:aggregates) AS a(aggregate) CROSS JOIN LATERAL (
        SELECT id, aggregate, type, payload, carrier, attempts, created_at,
               available_at <= clock_timestamp() AS due
        FROM outbox o WHERE o.aggregate = a.aggregate AND o.state = 'pending'
        ORDER BY o.aggregate, o.id LIMIT :share FOR NO KEY UPDATE
    ) f ORDER BY f.id
    """
).bindparams(bindparam("aggregates", type_=ARRAY(Text)))
_MARK_DELIVERED = text(
    "UPDATE outbox SET state = 'delivered', delivered_at = clock_timestamp() WHERE id = ANY(:ids)"
).bindparams(bindparam("ids", type_=ARRAY(BigInteger)))
_MARK_FAILED = text(
    """
    UPDATE outbox o SET attempts = o.attempts + 1, last_error = f.error,
        state = CASE WHEN f.dead THEN 'dead' ELSE 'pending' END,
        available_at = clock_timestamp() + make_interval(secs => f.rest)
    FROM unnest(:ids, :errors, :dead, :rests) AS f(id, error, dead, rest) WHERE o.id = f.id
    """
).bindparams(
    bindparam("ids", type_=ARRAY(BigInteger)),
    bindparam("errors", type_=ARRAY(Text)),
    bindparam("dead", type_=ARRAY(Boolean)),
    bindparam("rests", type_=ARRAY(Double)),
)


@dataclass(frozen=True, slots=True)
class ClaimedRow:
    id: int
    aggregate: str
    type: str
    payload: dict[str, Any]
    carrier: dict[str, str]
    attempts: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Failure:
    """A row that could not be delivered for a reason of its own, and what it was."""

    row: ClaimedRow
    error: str

    @classmethod
    def of(cls, row: ClaimedRow, error: BaseException) -> "Failure":
        return cls(row, f"{type(error).__name__}: {error}".replace("\x00", "")[:MAX_ERROR_CHARS])


async def claim(db: AsyncSession, size: int) -> list[ClaimedRow]:
    """Up to `size` rows in id order, locked until the transaction of `db` ends; none when nothing is due or free."""
    await db.execute(_LIMIT_IDLE)
    aggregates = list((await db.execute(_LOCK_HEADS, {"heads": size})).scalars())
    if not aggregates:
        return []
    share = max(1, size // len(aggregates))
    rows = (await db.execute(_LOCK_ROWS, {"aggregates": aggregates, "share": share})).all()
    waiting: set[str] = set()
    claimed: list[ClaimedRow] = []
    for row in rows:
        if not row.due:
            waiting.add(row.aggregate)
        if row.aggregate not in waiting:
            claimed.append(ClaimedRow(*row[:7]))
    return claimed


async def settle(
    db: AsyncSession, delivered: Sequence[ClaimedRow], failures: Sequence[Failure], settings: OutboxSettings
) -> None:
    if delivered:
        await db.execute(_MARK_DELIVERED, {"ids": [row.id for row in delivered]})
    if failures:
        await db.execute(
            _MARK_FAILED,
            {
                "ids": [failure.row.id for failure in failures],
                "errors": [failure.error for failure in failures],
                "dead": [is_last_attempt(failure.row, settings) for failure in failures],
                "rests": [rest_seconds(failure.row.attempts, settings) for failure in failures],
            },
        )


def is_last_attempt(row: ClaimedRow, settings: OutboxSettings) -> bool:
    return row.attempts + 1 >= settings.max_attempts


def rest_seconds(attempts: int, settings: OutboxSettings) -> float:
    """Before the next attempt, after `attempts` + 1 failures."""
    return spread(doubled(attempts + 1, first=settings.backoff_seconds, most=settings.backoff_max_seconds))
