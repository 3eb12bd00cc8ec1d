"""To be let in to a provider: a slot of those that all processes share, and a breaker that says if it may be asked."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Literal

from app.core.breakers import BreakerRules, Breakers
from app.core.slots import NoSlot, Slots
from app.inference.platform import Platform

MARGIN_SECONDS = 5.0
"""How much longer than a request may take its slot is kept, should nobody give it back."""

Blame = Literal["provider", "request", "nobody"]
"""For what went wrong. `nobody`: it is not known, or has nothing to do with the request."""


class NotAdmitted(Exception):
    """The provider is not to be asked just now."""

    def __init__(self, reason: Literal["busy", "breaker_open"]) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Provider:
    name: str
    platform: Platform
    breakers: Breakers
    slots: Slots

    @asynccontextmanager
    async def admitted(
        self, *, most: float, seconds: float, wait_seconds: float, blame: Callable[[Exception], Blame]
    ) -> AsyncIterator[None]:
        """Ask in the block, for at most `seconds` of the `most` that any request may take. Raises NotAdmitted.

        The breaker is told how it went: a block that raised what `blame` puts down to the provider is a failure, one
        that was cut off is neither.
        """
        limits, section = self.platform.limits(self.name), self.platform.breaker
        rules = BreakerRules(section.failures, section.window_seconds, section.open_seconds, seconds)
        async with AsyncExitStack() as held:
            try:
                await held.enter_async_context(
                    self.slots.hold(
                        self.name,
                        limit=limits.concurrency,
                        seconds=most + MARGIN_SECONDS,
                        wait_seconds=min(limits.wait_seconds, wait_seconds),
                    )
                )
            except NoSlot as error:
                raise NotAdmitted("busy") from error
            if not await self.breakers.enter(self.name, rules):
                raise NotAdmitted("breaker_open")
            told = False
            try:
                yield
            except Exception as error:
                blamed = blame(error)
                told = blamed != "nobody"
                if blamed == "provider":
                    await self.breakers.fail(self.name, rules)
                elif blamed == "request":
                    await self.breakers.succeed(self.name)
                raise
            else:
                told = True
                await self.breakers.succeed(self.name)
            finally:
                if not told:
                    await self.breakers.leave(self.name)
