"""Order and loss under several relays that fail at random. Seeded, so that a failure can be seen again."""

import asyncio
import random
from collections import defaultdict

import pytest

from app.core.resources import Resources
from app.outbox.deliveries import Push
from app.relay.delivering import Relay
from app.relay.registry import Subscriptions
from tests.relay.samples import Said, impatient, listening, next_messages, relay, rows, say, states

AGGREGATES, EVENTS = 12, 15


class Moody:
    """A handler that refuses some events now and then, and notes what it let through."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.refused = 0

    def __call__(self, event: Said) -> list[Push]:
        if self.chance.random() < 0.25:
            self.refused += 1
            raise RuntimeError("not now")
        return [Push(event.about, "test", "said", {"words": event.words})]


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_three_relays_with_random_failures_keep_each_aggregates_order(resources: Resources, seed: int) -> None:
    chance = random.Random(seed)
    events = [(f"t{a}", n) for a in range(AGGREGATES) for n in range(EVENTS)]
    chance.shuffle(events)
    counters: dict[str, int] = defaultdict(int)
    ordered = []
    for about, _ in events:
        ordered.append(Said(about=about, words=counters[about]))
        counters[about] += 1
    moody = Moody(seed)
    subscribed = Subscriptions()
    subscribed.on(Said, moody)
    hasty = impatient(resources, batch_size=17, max_attempts=50, backoff_max_seconds=0.01)
    async with listening(resources, *counters) as heard:
        async with relay(hasty, subscribed) as one, relay(hasty, subscribed) as two, relay(hasty, subscribed) as three:
            await asyncio.gather(_write(resources, ordered), *(_deliver(resources, r) for r in (one, two, three)))
        messages = await next_messages(heard, len(ordered))
    published: dict[str, list[int]] = defaultdict(list)
    for message in messages:
        published[message["channel"]].append(message["data"]["words"])
    assert moody.refused > 10
    assert published == {about: list(range(EVENTS)) for about in counters}
    kept = await rows(
        resources, "SELECT channel, array_agg(data->'words' ORDER BY seq) AS w FROM notifications GROUP BY 1"
    )
    assert {row.channel: row.w for row in kept} == published


async def _write(resources: Resources, events: list[Said]) -> None:
    for start in range(0, len(events), 9):
        await say(resources, *events[start : start + 9])


async def _deliver(resources: Resources, one: Relay) -> None:
    idle = 0
    while idle < 20:
        await one.deliver_batch()
        found = await states(resources)
        idle = 0 if "pending" in found or len(found) < AGGREGATES * EVENTS else 20
