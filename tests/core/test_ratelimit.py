"""How many requests are let in, with Redis and without."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from pydantic import SecretStr

from app.core import ratelimit
from app.core.ratelimit import Allowance, RateLimiter, address_of
from app.core.redis import Redis, connect
from app.core.resources import Resources
from app.core.settings import RateLimitSettings, Settings
from tests.factories.people import PASSWORD, register
from tests.factories.serving import serving

HERE, ME = "/api/v1/auth/login", "/api/v1/users/me"


class Clock:
    """Time that the test moves: at the start of a window of any round length."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(ratelimit, "time", clock)
    return clock


@asynccontextmanager
async def nowhere() -> AsyncIterator[Redis]:
    client = connect("redis://127.0.0.1:1/0")
    yield client
    await client.aclose()


async def take(limiter: RateLimiter, count: int, *, limit: int = 5, subject: str = "s") -> list[Allowance]:
    return [await limiter.take(subject, limit=limit, window_seconds=10) for _ in range(count)]


async def test_as_many_as_the_limit_pass_and_the_next_is_told_when_to_return(
    resources: Resources, clock: Clock
) -> None:
    limiter = RateLimiter(resources.redis)
    allowances = await take(limiter, 6)
    assert [allowance.remaining for allowance in allowances] == [4, 3, 2, 1, 0, -1]
    assert [allowance.exhausted for allowance in allowances] == [False] * 5 + [True]
    assert allowances[0].headers("p") == {"RateLimit-Policy": '"p";q=5;w=10', "RateLimit": '"p";r=4;t=10'}
    refused = allowances[-1].headers("p")
    assert refused["RateLimit"].startswith('"p";r=0;')
    clock.now += int(refused["Retry-After"])
    assert not (await take(limiter, 1))[0].exhausted


async def test_who_goes_on_while_refused_is_not_punished_for_it(resources: Resources, clock: Clock) -> None:
    limiter = RateLimiter(resources.redis)
    refused = (await take(limiter, 50))[-1]
    clock.now += refused.reset_seconds
    assert not (await take(limiter, 1))[0].exhausted


async def test_the_window_slides_rather_than_opening_at_once(resources: Resources, clock: Clock) -> None:
    limiter = RateLimiter(resources.redis)
    await take(limiter, 10, limit=10)
    clock.now += 10
    assert (await take(limiter, 1, limit=10))[0].exhausted
    clock.now += 5
    assert [a.exhausted for a in await take(limiter, 6, limit=10)] == [False] * 5 + [True]
    refused = (await take(limiter, 1, limit=10))[0]
    clock.now += refused.reset_seconds
    assert not (await take(limiter, 1, limit=10))[0].exhausted
    clock.now += 20
    assert (await take(limiter, 1, limit=10))[0].remaining == 9


@pytest.mark.parametrize("limit", [1, 2, 7, 100, 250])
@pytest.mark.parametrize("start", [0.0, 3.3, 9.9])
async def test_waiting_as_told_is_always_enough(resources: Resources, clock: Clock, limit: int, start: float) -> None:
    limiter = RateLimiter(resources.redis)
    clock.now += start
    for _ in range(4):
        allowances = await take(limiter, limit + 5, limit=limit)
        assert allowances[-1].exhausted
        assert 1 <= allowances[-1].reset_seconds <= 21
        clock.now += allowances[-1].reset_seconds


async def test_processes_share_one_count(resources: Resources, clock: Clock) -> None:
    processes = [RateLimiter(resources.redis) for _ in range(3)]
    passed = [not (await take(process, 1))[0].exhausted for _ in range(4) for process in processes]
    assert passed.count(True) == 5


async def test_requests_at_once_are_counted_once_each(resources: Resources) -> None:
    limiter = RateLimiter(resources.redis)
    allowances = await asyncio.gather(*(limiter.take("s", limit=250, window_seconds=3600) for _ in range(300)))
    assert sum(not allowance.exhausted for allowance in allowances) == 250


async def test_most_requests_of_a_large_limit_ask_redis_nothing(resources: Resources, clock: Clock) -> None:
    limiter = RateLimiter(resources.redis)
    before = (await resources.redis.info("commandstats"))["cmdstat_evalsha"]["calls"] if await _used(resources) else 0
    remaining = [allowance.remaining for allowance in await take(limiter, 1000, limit=6000)]
    assert remaining == list(range(5999, 4999, -1))
    after = (await resources.redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
    assert after - before <= 1000 / 60 + 2


async def _used(resources: Resources) -> bool:
    return "cmdstat_evalsha" in await resources.redis.info("commandstats")


async def test_subjects_do_not_share(resources: Resources, clock: Clock) -> None:
    limiter = RateLimiter(resources.redis)
    await take(limiter, 6)
    assert not (await take(limiter, 1, subject="other"))[0].exhausted


async def test_what_is_given_back_can_be_taken_again(resources: Resources, clock: Clock) -> None:
    limiter = RateLimiter(resources.redis)
    for _ in range(20):
        assert not (await take(limiter, 1))[0].exhausted
        await limiter.give_back("s", window_seconds=10)


async def test_without_redis_each_process_counts_alone(clock: Clock) -> None:
    async with nowhere() as redis:
        limiter = RateLimiter(redis)
        assert [allowance.exhausted for allowance in await take(limiter, 6)] == [False] * 5 + [True]
        clock.now += 20
        assert not (await take(limiter, 1))[0].exhausted


async def test_redis_that_is_away_is_not_asked_by_every_request(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    async with nowhere() as redis:
        limiter = RateLimiter(redis)
        calls = 0

        async def failing(**_arguments: object) -> None:
            nonlocal calls
            calls += 1
            raise ConnectionRefusedError

        monkeypatch.setattr(limiter, "_script", failing)
        await take(limiter, 5)
        assert calls == 1
        clock.now += 1.1
        await take(limiter, 5)
        assert calls == 2


async def test_the_memory_of_subjects_is_bounded(
    resources: Resources, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ratelimit, "_SUBJECTS", 3)
    limiter = RateLimiter(resources.redis)
    for n in range(5):
        await take(limiter, 1, subject=str(n))
    assert len(limiter._leases) == 3


@pytest.mark.parametrize(
    ("client", "address"),
    [
        (("192.0.2.7", 1), "192.0.2.7"),
        (("2001:db8:1:2:3:4:5:6", 1), "2001:db8:1:2::/64"),
        (None, "unknown"),
        (("a name", 1), "unknown"),
    ],
)
def test_an_address_is_one_household(client: tuple[str, int] | None, address: str) -> None:
    assert address_of({"client": client}) == address


def limited(settings: Settings, **limits: int) -> Settings:
    return settings.model_copy(update={"rate_limit": RateLimitSettings(**limits)})


async def test_every_answer_of_the_api_says_what_is_left(api: httpx2.AsyncClient, resources: Resources) -> None:
    ann = await register(resources)
    answer = await api.get(ME, headers=ann.headers)
    assert answer.headers["ratelimit-policy"] == '"person";q=6000;w=60'
    assert answer.headers["ratelimit"].startswith('"person";r=5999;t=')
    for refused in (await api.get(ME), await api.get("/api/v1/nothing"), await api.post(HERE, json={})):
        assert refused.headers["ratelimit-policy"] == '"anonymous";q=600;w=60'
    assert "ratelimit" not in (await api.get("/health")).headers


async def test_over_the_limit_is_429_with_the_time_to_wait(resources: Resources, settings: Settings) -> None:
    ann, bob = await register(resources), await register(resources)
    async with serving(limited(settings, requests=2, anonymous_requests=1, window_seconds=3600)) as api:
        answers = [await api.get(ME, headers=ann.headers) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[-1].json()["code"] == "rate_limited"
        assert answers[-1].headers["content-type"] == "application/problem+json"
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert answers[-1].headers["ratelimit"].startswith('"person";r=0;')
        assert "x-request-id" in answers[-1].headers
        assert (await api.get(ME, headers=bob.headers)).status_code == 200
        assert [(await api.get(ME)).status_code for _ in range(2)] == [401, 429]


async def test_without_redis_people_log_in_and_are_slowed(resources: Resources, settings: Settings) -> None:
    await register(resources, username="ann")
    auth = settings.auth.model_copy(update={"login_attempts": 2})
    away = settings.model_copy(update={"redis_url": SecretStr("redis://127.0.0.1:1/0"), "auth": auth})
    async with serving(away) as api:
        good = await api.post(HERE, json={"username": "ann", "password": PASSWORD})
        assert good.status_code == 200
        wrong = [await api.post(HERE, json={"username": "ann", "password": "wrong"}) for _ in range(3)]
        assert [answer.status_code for answer in wrong] == [401, 401, 429]
