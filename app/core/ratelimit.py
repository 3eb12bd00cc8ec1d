"""Requests per person and window, counted in Redis so that all API processes share one count.

A sliding window of two fixed ones: the share of the last window that still overlaps is counted with this one's
requests. Refused requests are not counted, so that whoever waits as told is let in. A process takes a hundredth of a
limit at once and spends that by itself: most requests cost no round trip. While Redis is away each process counts
alone: a limit that is too generous beats a desk that is closed.
"""

import asyncio
import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.errors import RateLimited
from app.core.http import problem_response
from app.core.idempotency import Identify
from app.core.redis import REDIS_AWAY, Redis, RedisError
from app.core.settings import RateLimitSettings

_TAKE = """
local current = tonumber(redis.call('GET', KEYS[1]) or '0')
local previous = tonumber(redis.call('GET', KEYS[2]) or '0')
local free = math.floor(tonumber(ARGV[1]) - current - previous * tonumber(ARGV[2]) + 0.001)
local taken = math.max(0, math.min(free, tonumber(ARGV[3])))
if taken > 0 then
  redis.call('INCRBY', KEYS[1], taken)
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
end
return {taken, current, previous}
"""
_SUBJECTS = 20_000
_SHARE = 100
_AWAY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Allowance:
    limit: int
    window_seconds: int
    remaining: int
    reset_seconds: int
    """Until the window ends; when exhausted, until one more request is allowed."""

    @property
    def exhausted(self) -> bool:
        return self.remaining < 0

    def headers(self, policy: str) -> dict[str, str]:
        """The IETF httpapi draft's fields: quota and window, and what is left of them."""
        remaining = max(self.remaining, 0)
        headers = {
            "RateLimit-Policy": f'"{policy}";q={self.limit};w={self.window_seconds}',
            "RateLimit": f'"{policy}";r={remaining};t={self.reset_seconds}',
        }
        if self.exhausted:
            headers["Retry-After"] = str(max(self.reset_seconds, 1))
        return headers


@dataclass(slots=True)
class _Lease:
    """What this process knows of a subject's window: requests it may still pass, what was left beyond them, and,
    once refused, until when it need not ask again."""

    window: int
    held: int = 0
    beyond: int = 0
    closed_until: float = 0.0


class RateLimiter:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._script = redis.register_script(_TAKE)
        self._leases: OrderedDict[str, _Lease] = OrderedDict()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._local: OrderedDict[str, int] = OrderedDict()
        self._away_until = 0.0

    async def take(self, subject: str, *, limit: int, window_seconds: int) -> Allowance:
        """Count one request of `subject` and say what is left; a negative `remaining` means it is over the limit."""
        known = self._from_lease(subject, limit, window_seconds)
        if known is not None:
            return known
        lock = self._locks.setdefault(subject, asyncio.Lock())
        # One asks for all that came at once; the others find its lease.
        async with lock:
            known = self._from_lease(subject, limit, window_seconds)
            return known or await self._from_count(subject, limit, window_seconds)

    async def give_back(self, subject: str, *, window_seconds: int) -> None:
        """Uncount one request of this window."""
        lease = self._lease(subject, int(time.time() // window_seconds))
        lease.held += 1
        lease.closed_until = 0.0

    def _from_lease(self, subject: str, limit: int, window_seconds: int) -> Allowance | None:
        at = time.time()
        lease = self._leases.get(subject)
        if lease is None:
            return None
        if at < lease.closed_until:
            return Allowance(limit, window_seconds, -1, math.ceil(lease.closed_until - at))
        if lease.window != int(at // window_seconds) or lease.held < 1:
            return None
        lease.held -= 1
        return Allowance(limit, window_seconds, lease.held + lease.beyond, _until_end(at, window_seconds))

    async def _from_count(self, subject: str, limit: int, window_seconds: int) -> Allowance:
        at = time.time()
        window = int(at // window_seconds)
        weight = 1 - at % window_seconds / window_seconds
        share = max(1, limit // _SHARE)
        taken, current, previous = await self._reserve(_keys(subject, window), limit, weight, share, window_seconds)
        lease = self._lease(subject, window)
        if taken < 1:
            wait = max(1, math.ceil(_wait(limit, current, previous, weight) * window_seconds))
            lease.closed_until = at + wait
            return Allowance(limit, window_seconds, -1, wait)
        lease.held += taken - 1
        lease.beyond = max(0, _free(limit, current, previous, weight) - taken)
        return Allowance(limit, window_seconds, lease.held + lease.beyond, _until_end(at, window_seconds))

    def _lease(self, subject: str, window: int) -> _Lease:
        lease = self._leases.get(subject)
        if lease is None or lease.window != window:
            lease = self._leases[subject] = _Lease(window)
            self._leases.move_to_end(subject)
            _bound(self._leases)
        return lease

    async def _reserve(
        self, keys: list[str], limit: int, weight: float, share: int, window_seconds: int
    ) -> tuple[int, int, int]:
        if time.monotonic() >= self._away_until:
            try:
                taken, current, previous = await self._script(
                    keys=keys, args=[limit, weight, share, window_seconds * 2000]
                )
                return int(taken), int(current), int(previous)
            except (*REDIS_AWAY, RedisError):
                # Not tried again at once: every request would wait for the connection to fail.
                self._away_until = time.monotonic() + _AWAY_SECONDS
        current, previous = self._local.get(keys[0], 0), self._local.get(keys[1], 0)
        taken = max(0, min(_free(limit, current, previous, weight), share))
        self._local[keys[0]] = current + taken
        _bound(self._local)
        return taken, current, previous


def _keys(subject: str, window: int) -> list[str]:
    # Braces: one slot of a Redis cluster holds both.
    return [f"rate:{{{subject}}}:{window}", f"rate:{{{subject}}}:{window - 1}"]


def _bound(entries: OrderedDict[str, Any]) -> None:
    while len(entries) > _SUBJECTS:
        entries.popitem(last=False)


def _free(limit: int, current: int, previous: int, weight: float) -> int:
    # As in the script; the thousandth makes up for what binary fractions lose.
    return math.floor(limit - current - previous * weight + 0.001)


def _until_end(at: float, window_seconds: int) -> int:
    return math.ceil(window_seconds - at % window_seconds)


def _wait(limit: int, current: int, previous: int, weight: float) -> float:
    """Windows until one request is free: when enough of the previous window has slid away, or of this one."""
    if current < limit and previous > 0:
        return max(0.0, weight - (limit - 1 - current) / previous)
    return weight + 1 - (limit - 1) / max(current, limit)


def address_of(scope: MutableMapping[str, Any]) -> str:
    """The sender's address, of IPv6 the /64 that one household or machine is given."""
    client = scope.get("client")
    try:
        address = ipaddress.ip_address(client[0] if client else "")
    except ValueError:
        return "unknown"
    if address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


class RateLimitMiddleware:
    """Counts every request under `prefix`: by person, or by address without a valid login."""

    def __init__(self, app: ASGIApp, *, prefix: str, settings: RateLimitSettings) -> None:
        self.app = app
        self._prefix = f"{prefix}/"
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(self._prefix):
            await self.app(scope, receive, send)
            return
        state = scope["app"].state
        identify: Identify = state.identify
        limiter: RateLimiter = state.resources.limiter
        who = await identify(Request(scope))
        policy = "anonymous" if who is None else "person"
        allowance = await limiter.take(
            f"address:{address_of(scope)}" if who is None else f"user:{who.user_id}",
            limit=self._settings.anonymous_requests if who is None else self._settings.requests,
            window_seconds=self._settings.window_seconds,
        )
        headers = allowance.headers(policy)
        if allowance.exhausted:
            await problem_response(RateLimited(headers=headers))(scope, receive, send)
            return

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
            await send(message)

        await self.app(scope, receive, send_counted)
