"""Argon2id, a few at a time: each hash takes its memory and a core, and a flood of logins must not take all of both."""

import os
from functools import lru_cache

from anyio import CapacityLimiter, to_thread
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.core.errors import Unavailable
from app.core.settings import AuthSettings

_AT_ONCE = min(os.cpu_count() or 1, 8)
_WAITING = 64 * _AT_ONCE


class Passwords:
    def __init__(self, *, memory_kib: int, time_cost: int) -> None:
        self._hasher = PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=1)
        self._limiter = CapacityLimiter(_AT_ONCE)
        # Verified against when there is no account, so that its absence takes as long as a wrong password.
        self._nobody = self._hasher.hash(os.urandom(16))

    async def hash(self, password: str) -> str:
        """Raises Unavailable when too many wait already."""
        self._refuse_flood()
        return await to_thread.run_sync(self._hasher.hash, password, limiter=self._limiter)

    async def matches(self, stored: str | None, password: str) -> bool:
        """Whether the password is the stored one; None (no account) costs the same and is never a match."""
        self._refuse_flood()
        matched = await to_thread.run_sync(self._verify, stored or self._nobody, password, limiter=self._limiter)
        return matched and stored is not None

    def outdated(self, stored: str) -> bool:
        """Whether it was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    def _refuse_flood(self) -> None:
        if self._limiter.statistics().tasks_waiting >= _WAITING:
            raise Unavailable(headers={"Retry-After": "5"})


@lru_cache(maxsize=8)
def _passwords(memory_kib: int, time_cost: int) -> Passwords:
    return Passwords(memory_kib=memory_kib, time_cost=time_cost)


def passwords(settings: AuthSettings) -> Passwords:
    """The process's one hasher for these parameters: its limit holds for all who ask."""
    return _passwords(settings.argon2_memory_kib, settings.argon2_time_cost)
