"""Requests per person and window, counted in Redis so that all API processes share one count.

A sliding window of two fixed ones: the share of the last window that still overlaps is counted with this one's
requests. While Redis is away each process counts by itself: a limit that is too generous beats a desk that is closed.
"""

import math
import time
from collections import OrderedDict
from dataclasses import dataclass

from app.core.redis import REDIS_AWAY, Redis, RedisError

_SCRIPT = """
local current = redis.call('INCR', KEYS[1])
if current == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {current, tonumber(redis.call('GET', KEYS[2]) or '0')}
"""
_LOCAL_SUBJECTS = 10_000


@dataclass(frozen=True, slots=True)
class Allowance:
    limit: int
    window_seconds: int
    remaining: int
    reset_seconds: int

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


class RateLimiter:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._script = redis.register_script(_SCRIPT)
        self._local: OrderedDict[str, int] = OrderedDict()

    async def take(self, subject: str, *, limit: int, window_seconds: int) -> Allowance:
        """Count one request of `subject` and say what is left; a negative `remaining` means it is over the limit."""
        at = time.time()
        window = int(at // window_seconds)
        elapsed = at / window_seconds - window
        keys = [f"rate:{subject}:{window}", f"rate:{subject}:{window - 1}"]
        try:
            current, previous = await self._script(keys=keys, args=[window_seconds * 2000])
        except (*REDIS_AWAY, RedisError):
            current, previous = self._count_here(keys)
        used = current + previous * (1 - elapsed)
        reset = math.ceil((window + 1) * window_seconds - at)
        return Allowance(limit, window_seconds, math.floor(limit - used), reset)

    def _count_here(self, keys: list[str]) -> tuple[int, int]:
        current = self._local[keys[0]] = self._local.get(keys[0], 0) + 1
        while len(self._local) > _LOCAL_SUBJECTS:
            self._local.popitem(last=False)
        return current, self._local.get(keys[1], 0)
