"""Carries out what the outbox holds. Any number of relays may run at once.

A batch goes: claim rows, work out their deliveries, number and store the pushes, publish them, hand tasks to the
broker, mark the rows. A crash anywhere leaves the rows pending, so everything after the claim may happen twice, and
every receiver must bear that. While Redis or the database is away nothing is counted against a row: the relay waits.
"""

import asyncio
import contextlib
import json
from dataclasses import dataclass

from app.core.backoff import spread
from app.core.clock import now
from app.core.db import DATABASE_AWAY
from app.core.metrics import DELIVERY_SECONDS
from app.core.redis import REDIS_AWAY, RedisError
from app.core.resources import Resources
from app.core.telemetry import continued, get_logger
from app.outbox.deliveries import REDIS_PREFIX
from app.relay import batch, notifications, plan
from app.relay.batch import ClaimedRow, Failure
from app.relay.broker import Broker
from app.relay.notifications import Numbered, NumberTaken
from app.relay.registry import Subscriptions
from app.relay.wakeup import Wakeup

log = get_logger(__name__)

WAIT_FIRST_SECONDS = 0.1
WAIT_MOST_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one batch. `away`: Redis could not be reached, and the rows that needed it are as they were."""

    claimed: int = 0
    delivered: int = 0
    failed: int = 0
    away: bool = False


class Relay:
    def __init__(self, resources: Resources, subscriptions: Subscriptions) -> None:
        self._resources = resources
        self._settings = resources.settings.outbox
        self._subscriptions = subscriptions
        self._broker = Broker()

    async def aclose(self) -> None:
        await self._broker.aclose()

    async def deliver_batch(self) -> Outcome:
        """Raises SQLAlchemyError when the database is away; then nothing is marked."""
        async with self._resources.db.unit_of_work() as db:
            rows = await batch.claim(db, self._settings.batch_size)
            if not rows:
                return Outcome()
            work = plan.make(rows, self._subscriptions)
            numbered = await notifications.number(db, self._resources.db, work)
            away = await self._publish(work, numbered) or await self._broker.publish(work)
            delivered = work.delivered()
            await batch.settle(db, delivered, work.failures, self._settings)
        self._report(delivered, work.failures, away)
        if delivered and away is None:
            ages = [(row.type, (now() - row.created_at).total_seconds()) for row in delivered]
            await DELIVERY_SECONDS.observe_all(self._resources.redis, ages)
        return Outcome(len(rows), len(delivered), len(work.failures), away is not None)

    async def _publish(self, work: plan.Plan, numbered: list[Numbered]) -> Exception | None:
        """In one pipeline. What is wrong when Redis is away; part of it may have been published then."""
        if not numbered:
            return None
        try:
            async with self._resources.redis.pipeline(transaction=False) as pipe:
                for one in numbered:
                    pipe.publish(REDIS_PREFIX + one.planned.push.channel, message(one))
                await pipe.execute()
        except (*REDIS_AWAY, RedisError) as error:
            for row in [planned.row for planned in work.pushes] + [planned.row for planned in work.calls]:
                work.leave(row)
            return error
        return None

    def _report(self, delivered: list[ClaimedRow], failures: list[Failure], away: Exception | None) -> None:
        for row in delivered:
            with continued(row.carrier):
                log.info("event_delivered", **_described(row))
        for failure in failures:
            dead = batch.is_last_attempt(failure.row, self._settings)
            say = log.error if dead else log.warning
            # The class alone: a message may quote what the row holds. It is in `last_error`, for admins.
            with continued(failure.row.carrier):
                say(
                    "event_dead" if dead else "event_failed",
                    error=failure.error.partition(":")[0],
                    attempts=failure.row.attempts + 1,
                    **_described(failure.row),
                )
        if away is not None:
            log.warning("redis_away", error=type(away).__name__)


def _described(row: ClaimedRow) -> dict[str, object]:
    return {
        "outbox_id": row.id,
        "event_type": row.type,
        "aggregate": row.aggregate,
    }


def message(one: Numbered) -> str:
    """As it is published under `ws:<channel>`: JSON {channel, seq, protocol, type, data, timestamp}."""
    push = one.planned.push
    return json.dumps(
        {
            "channel": push.channel,
            "seq": one.seq,
            "protocol": push.protocol,
            "type": push.type,
            "data": push.data,
            "timestamp": one.created_at.isoformat(),
        }
    )


async def deliver_until(stop: asyncio.Event, relay: Relay, wakeup: Wakeup, poll_seconds: float) -> None:
    """Batch after batch; when stopped or cancelled, the present batch is finished first."""
    wait = WAIT_FIRST_SECONDS
    while not stop.is_set():
        delivering = asyncio.ensure_future(relay.deliver_batch())
        try:
            outcome = await asyncio.shield(delivering)
        except asyncio.CancelledError:
            await asyncio.wait([delivering])
            raise
        except (*DATABASE_AWAY, NumberTaken) as error:
            log.warning("batch_given_back", error=type(error).__name__)
            outcome = None
        if outcome is None or outcome.away:
            await _pause(stop, spread(wait))
            wait = min(wait * 2, WAIT_MOST_SECONDS)
            continue
        wait = WAIT_FIRST_SECONDS
        if not outcome.claimed:
            await wakeup.wait(poll_seconds)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
