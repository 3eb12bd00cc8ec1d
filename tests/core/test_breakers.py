"""A breaker's life, by the same sentences for the one in Redis and the one of a process alone."""

import asyncio

import pytest

from app.core.breakers import Breaker, BreakerRules, Breakers, LocalBreaker, RedisBreaker
from app.core.redis import REDIS_AWAY, connect
from app.core.resources import Resources
from app.core.slots import NoSlot, Slots

RULES = BreakerRules(failures=2, window_seconds=60, open_seconds=60, probe_seconds=60)
AT_ONCE = BreakerRules(failures=2, window_seconds=60, open_seconds=0, probe_seconds=60)


@pytest.fixture(params=["redis", "local", "both"])
def breaker(request: pytest.FixtureRequest, resources: Resources) -> Breaker:
    made: dict[str, Breaker] = {
        "redis": RedisBreaker(resources.redis),
        "local": LocalBreaker(),
        "both": Breakers(resources.redis),
    }
    return made[request.param]


async def test_enough_failures_open_it_and_nobody_is_let_in(breaker: Breaker) -> None:
    await breaker.fail("one", RULES)
    assert await breaker.enter("one", RULES)
    await breaker.fail("one", RULES)
    assert not await breaker.enter("one", RULES)
    assert await breaker.enter("another", RULES)
    report = await breaker.report("one")
    assert (report.state, report.failures) == ("open", 2)
    assert report.opened_at is not None
    assert report.next_try_at is not None
    assert report.next_try_at > report.opened_at


async def test_a_success_in_between_starts_the_count_again(breaker: Breaker) -> None:
    for _ in range(3):
        await breaker.fail("one", RULES)
        await breaker.succeed("one")
    assert await breaker.enter("one", RULES)
    assert (await breaker.report("one")).state == "closed"


async def test_failures_far_apart_do_not_add_up(breaker: Breaker) -> None:
    short = BreakerRules(failures=2, window_seconds=-1, open_seconds=60, probe_seconds=60)
    for _ in range(4):
        await breaker.fail("one", short)
    assert await breaker.enter("one", short)


async def test_after_its_rest_one_may_try_and_its_success_closes_it(breaker: Breaker) -> None:
    await breaker.fail("one", AT_ONCE)
    await breaker.fail("one", AT_ONCE)
    assert (await breaker.report("one")).state == "half_open"
    assert await breaker.enter("one", AT_ONCE)
    assert not await breaker.enter("one", AT_ONCE)
    await breaker.succeed("one")
    assert (await breaker.report("one")).state == "closed"


async def test_a_try_that_fails_opens_it_again_at_once(breaker: Breaker) -> None:
    await breaker.fail("one", AT_ONCE)
    await breaker.fail("one", AT_ONCE)
    assert await breaker.enter("one", AT_ONCE)
    await breaker.fail("one", RULES)
    assert not await breaker.enter("one", RULES)


async def test_a_try_given_up_leaves_room_for_the_next(breaker: Breaker) -> None:
    await breaker.fail("one", AT_ONCE)
    await breaker.fail("one", AT_ONCE)
    assert await breaker.enter("one", AT_ONCE)
    await breaker.leave("one")
    assert await breaker.enter("one", AT_ONCE)


async def test_a_late_success_does_not_close_what_has_opened_meanwhile(breaker: Breaker) -> None:
    await breaker.fail("one", RULES)
    await breaker.fail("one", RULES)
    await breaker.fail("one", RULES)
    await breaker.succeed("one")
    assert not await breaker.enter("one", RULES)
    await breaker.reset("one")
    assert await breaker.enter("one", RULES)


async def test_processes_share_it(resources: Resources) -> None:
    one, other = Breakers(resources.redis), Breakers(resources.redis)
    await one.fail("shared", RULES)
    await other.fail("shared", RULES)
    assert not await one.enter("shared", RULES)
    assert not await other.enter("shared", RULES)


async def test_without_redis_a_process_keeps_its_own() -> None:
    redis = connect("redis://127.0.0.1:1/0")
    breakers = Breakers(redis)
    await breakers.fail("one", RULES)
    await breakers.fail("one", RULES)
    assert not await breakers.enter("one", RULES)
    assert (await breakers.report("one")).state == "open"
    await breakers.leave("one")
    await breakers.succeed("one")
    with pytest.raises(REDIS_AWAY):
        await breakers.reset("one")
    assert await breakers.enter("one", RULES)
    await redis.aclose()


@pytest.mark.parametrize("away", [False, True])
async def test_only_so_many_hold_a_slot(resources: Resources, *, away: bool) -> None:
    redis = connect("redis://127.0.0.1:1/0") if away else resources.redis
    slots = Slots(redis)
    one, other = (slots.hold("p", limit=2, seconds=60, wait_seconds=0) for _ in range(2))
    async with one, other:
        assert await slots.in_use("p") == 2
        with pytest.raises(NoSlot):
            async with slots.hold("p", limit=2, seconds=60, wait_seconds=0.02):
                raise AssertionError
    assert await slots.in_use("p") == 0
    if away:
        await redis.aclose()


async def test_one_who_waits_gets_the_slot_that_is_given_back(resources: Resources) -> None:
    slots = Slots(resources.redis)
    inside = 0
    most = 0

    async def work() -> None:
        nonlocal inside, most
        async with slots.hold("q", limit=3, seconds=60, wait_seconds=60):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(work() for _ in range(12)))
    assert most <= 3
    assert await slots.in_use("q") == 0
