"""Circuit breakers that all processes share: whoever calls a failing service is told so before the call.

Closed, a breaker counts failures within a window. Open, it lets nobody through until its rest is over; then it is half
open, and one caller at a time may try: success closes it, failure opens it again. Every step is one script in Redis.
While Redis is away each process keeps its own count, by the same rules.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, Protocol, cast

from app.core.redis import REDIS_AWAY, Redis, RedisError

BreakerState = Literal["closed", "open", "half_open"]

_AWAY_SECONDS = 1.0
_KEEP_MS = 24 * 3600 * 1000

_NOW = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local state = redis.call('HGET', KEYS[1], 'state') or 'closed'
"""
_ENTER = (
    _NOW
    + """
if state == 'closed' then return 1 end
if now < tonumber(redis.call('HGET', KEYS[1], 'until') or '0') then return 0 end
redis.call('HSET', KEYS[1], 'state', 'half_open', 'until', now + ARGV[1])
return 1
"""
)
_SUCCEED = (
    _NOW
    + """
if state ~= 'open' then redis.call('DEL', KEYS[1]) end
return 1
"""
)
_FAIL = (
    _NOW
    + """
if state == 'open' then return 1 end
local first = tonumber(redis.call('HGET', KEYS[1], 'first') or '0')
local failures = tonumber(redis.call('HGET', KEYS[1], 'failures') or '0')
if state == 'closed' and now - first > tonumber(ARGV[2]) then failures = 0; first = now end
failures = failures + 1
if state == 'half_open' or failures >= tonumber(ARGV[1]) then
  redis.call('HSET', KEYS[1], 'state', 'open', 'failures', failures, 'opened', now, 'until', now + ARGV[3])
else
  redis.call('HSET', KEYS[1], 'failures', failures, 'first', first)
end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
"""
)
_LEAVE = (
    _NOW
    + """
if state == 'half_open' then redis.call('HSET', KEYS[1], 'until', 0) end
return 1
"""
)


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """Open after `failures` within `window_seconds`, for `open_seconds`; a try that never ends is forgotten after
    `probe_seconds`."""

    failures: int
    window_seconds: float
    open_seconds: float
    probe_seconds: float


@dataclass(frozen=True, slots=True)
class BreakerReport:
    state: BreakerState
    failures: int
    opened_at: datetime | None
    next_try_at: datetime | None


class Breaker(Protocol):
    """One place where the counts are kept. A caller that was let in says how it ended, by exactly one of the others."""

    async def enter(self, name: str, rules: BreakerRules) -> bool: ...
    async def succeed(self, name: str) -> None: ...
    async def fail(self, name: str, rules: BreakerRules) -> None: ...
    async def leave(self, name: str) -> None:
        """Neither: the call was given up before its outcome was known."""

    async def reset(self, name: str) -> None: ...
    async def report(self, name: str) -> BreakerReport: ...


_CLOSED = BreakerReport("closed", 0, None, None)


@dataclass(slots=True)
class _Count:
    state: BreakerState = "closed"
    failures: int = 0
    first: float = 0.0
    opened: float = 0.0
    until: float = 0.0


@dataclass(slots=True)
class LocalBreaker:
    """In this process alone. `clock` gives seconds since 1970."""

    clock: Callable[[], float] = time.time
    _counts: dict[str, _Count] = field(default_factory=dict)

    async def enter(self, name: str, rules: BreakerRules) -> bool:
        count = self._counts.get(name)
        if count is None or count.state == "closed":
            return True
        if self.clock() < count.until:
            return False
        count.state, count.until = "half_open", self.clock() + rules.probe_seconds
        return True

    async def succeed(self, name: str) -> None:
        count = self._counts.get(name)
        if count is not None and count.state != "open":
            del self._counts[name]

    async def fail(self, name: str, rules: BreakerRules) -> None:
        count = self._counts.setdefault(name, _Count())
        at = self.clock()
        if count.state == "open":
            return
        if count.state == "closed" and at - count.first > rules.window_seconds:
            count.failures, count.first = 0, at
        count.failures += 1
        if count.state == "half_open" or count.failures >= rules.failures:
            count.state, count.opened, count.until = "open", at, at + rules.open_seconds

    async def leave(self, name: str) -> None:
        count = self._counts.get(name)
        if count is not None and count.state == "half_open":
            count.until = 0.0

    async def reset(self, name: str) -> None:
        self._counts.pop(name, None)

    async def report(self, name: str) -> BreakerReport:
        count = self._counts.get(name)
        if count is None:
            return _CLOSED
        return _report(count.state, count.failures, count.opened, count.until, self.clock())


class RedisBreaker:
    """Shared by every process. Raises what redis-py raises."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._enter = redis.register_script(_ENTER)
        self._succeed = redis.register_script(_SUCCEED)
        self._fail = redis.register_script(_FAIL)
        self._leave = redis.register_script(_LEAVE)

    async def enter(self, name: str, rules: BreakerRules) -> bool:
        return bool(await self._enter(keys=[_key(name)], args=[_ms(rules.probe_seconds)]))

    async def succeed(self, name: str) -> None:
        await self._succeed(keys=[_key(name)])

    async def fail(self, name: str, rules: BreakerRules) -> None:
        times = [_ms(rules.window_seconds), _ms(rules.open_seconds), _KEEP_MS]
        await self._fail(keys=[_key(name)], args=[rules.failures, *times])

    async def leave(self, name: str) -> None:
        await self._leave(keys=[_key(name)])

    async def reset(self, name: str) -> None:
        await self._redis.delete(_key(name))

    async def report(self, name: str) -> BreakerReport:
        found = await self._redis.hgetall(_key(name))
        if not found:
            return _CLOSED
        seconds, micros = await self._redis.time()
        opened, until = (float(found.get(key, 0)) / 1000 for key in ("opened", "until"))
        at = int(seconds) + int(micros) / 1e6
        state = cast("BreakerState", found.get("state", "closed"))
        return _report(state, int(found.get("failures", 0)), opened, until, at)


class Breakers:
    """Shared while Redis is there, this process's own while it is away."""

    def __init__(self, redis: Redis) -> None:
        self._shared = RedisBreaker(redis)
        self._own = LocalBreaker()
        self._away_until = 0.0

    async def enter(self, name: str, rules: BreakerRules) -> bool:
        if self._reachable():
            try:
                return await self._shared.enter(name, rules)
            except (*REDIS_AWAY, RedisError):
                self._rest()
        return await self._own.enter(name, rules)

    async def succeed(self, name: str) -> None:
        # Both: which of them let the caller in is not worth remembering.
        await self._own.succeed(name)
        if self._reachable():
            try:
                await self._shared.succeed(name)
            except (*REDIS_AWAY, RedisError):
                self._rest()

    async def fail(self, name: str, rules: BreakerRules) -> None:
        if self._reachable():
            try:
                return await self._shared.fail(name, rules)
            except (*REDIS_AWAY, RedisError):
                self._rest()
        return await self._own.fail(name, rules)

    async def leave(self, name: str) -> None:
        await self._own.leave(name)
        if self._reachable():
            try:
                await self._shared.leave(name)
            except (*REDIS_AWAY, RedisError):
                self._rest()

    async def reset(self, name: str) -> None:
        """Raises REDIS_AWAY: an administrator is to know that the others were not reached."""
        await self._own.reset(name)
        await self._shared.reset(name)

    async def report(self, name: str) -> BreakerReport:
        if self._reachable():
            try:
                return await self._shared.report(name)
            except (*REDIS_AWAY, RedisError):
                self._rest()
        return await self._own.report(name)

    def _reachable(self) -> bool:
        return time.monotonic() >= self._away_until

    def _rest(self) -> None:
        # Not tried again at once: every call would wait for the connection to fail.
        self._away_until = time.monotonic() + _AWAY_SECONDS


def _key(name: str) -> str:
    return f"breaker:{name}"


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


def _report(state: BreakerState, failures: int, opened: float, until: float, at: float) -> BreakerReport:
    if state == "closed":
        return BreakerReport("closed", failures, None, None)
    shown: BreakerState = "half_open" if until <= at else state
    return BreakerReport(shown, failures, datetime.fromtimestamp(opened, UTC), datetime.fromtimestamp(until, UTC))
