"""How many may do a thing at once, over all processes: a slot is taken for a time and given back.

A slot that is not given back, because its process was killed, is free again when its time is over. While Redis is away
each process counts alone.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.core.backoff import spread
from app.core.redis import REDIS_AWAY, Redis, RedisError

_TAKE = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2] * 2)
return 1
"""
_AWAY_SECONDS = 1.0
_FIRST_PAUSE = 0.01
_LONGEST_PAUSE = 0.25


class NoSlot(Exception):
    """All are taken, and stayed so for as long as the caller would wait."""


class Slots:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._take = redis.register_script(_TAKE)
        self._own: dict[str, dict[str, float]] = {}
        self._away_until = 0.0

    @asynccontextmanager
    async def hold(self, name: str, *, limit: int, seconds: float, wait_seconds: float) -> AsyncIterator[None]:
        """One of `limit` slots, for `seconds` at most. Raises NoSlot after `wait_seconds`."""
        token = secrets.token_hex(8)
        end = time.monotonic() + wait_seconds
        pause = _FIRST_PAUSE
        while not await self._taken(name, token, limit, seconds):
            left = end - time.monotonic()
            if left <= 0:
                raise NoSlot(name)
            await asyncio.sleep(min(left, spread(pause)))
            pause = min(pause * 1.5, _LONGEST_PAUSE)
        try:
            yield
        finally:
            await self._give_back(name, token)

    async def in_use(self, name: str) -> int:
        if time.monotonic() >= self._away_until:
            try:
                seconds, micros = await self._redis.time()
                return int(await self._redis.zcount(_key(name), int(seconds) * 1000 + int(micros) // 1000, "+inf"))
            except (*REDIS_AWAY, RedisError):
                self._away_until = time.monotonic() + _AWAY_SECONDS
        return len(self._held_here(name))

    async def _taken(self, name: str, token: str, limit: int, seconds: float) -> bool:
        if time.monotonic() >= self._away_until:
            try:
                return bool(await self._take(keys=[_key(name)], args=[limit, int(seconds * 1000), token]))
            except (*REDIS_AWAY, RedisError):
                self._away_until = time.monotonic() + _AWAY_SECONDS
        held = self._held_here(name)
        if len(held) >= limit:
            return False
        held[token] = time.monotonic() + seconds
        return True

    async def _give_back(self, name: str, token: str) -> None:
        if self._held_here(name).pop(token, None) is not None:
            return
        try:
            await self._redis.zrem(_key(name), token)
        except (*REDIS_AWAY, RedisError):
            # It is free when its time is over.
            self._away_until = time.monotonic() + _AWAY_SECONDS

    def _held_here(self, name: str) -> dict[str, float]:
        at = time.monotonic()
        held = {token: until for token, until in self._own.get(name, {}).items() if until > at}
        self._own[name] = held
        return held


def _key(name: str) -> str:
    return f"slots:{name}"
