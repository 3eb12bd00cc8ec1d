"""By the rules of all models: the budget, a slot, the breaker, no personal data, a line on record for every call."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from pydantic_ai.usage import RequestUsage

from app.analytics import service as analytics
from app.core.auth import Principal
from app.core.resources import Resources
from app.inference.admission import Blame, NotAdmitted, Provider
from app.inference.calls import ModelCall
from app.inference.embedders import Embeddings
from app.inference.endpoints import Embedded
from app.inference.errors import ModelBudgetSpent, ModelBusy, ModelFailed, ModelRefused, ModelUnavailable
from app.inference.operations import Operation
from app.inference.platform import Platform
from app.inference.pricing import price
from app.inference.privacy.pseudonyms import Pseudonyms
from app.inference.reranking import Reranked
from app.providers import service as providers

_BUSY = {"busy": ModelBusy.detail, "breaker_open": "The provider rests after failures; try again in a moment."}
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asked:
    """A model that is asked for somebody; `seconds` is what one call of it may take, and, unless `wait_seconds` says
    otherwise, how long a slot is waited for."""

    resources: Resources
    who: Principal
    operation: Operation
    model: str
    provider: str
    seconds: float
    wait_seconds: float | None = None

    async def through(self, text: str, ask: Callable[[str], T]) -> T:
        """Once. Raises ModelBudgetSpent, ModelBusy and what `ask` raises."""
        rules = await rules_of(self.resources)
        hidden = hide(rules, [text])[0]
        return await self.admitted(lambda: asyncio.to_thread(ask, hidden), rules)

    async def through_all(
        self, texts: Sequence[str], ask: Callable[[Sequence[str]], T], *, again: bool, rules: Platform | None = None
    ) -> T:
        """`again`: what may pass is tried as often as the provider's limits say."""
        rules = rules or await rules_of(self.resources)
        limits = rules.limits(self.provider)
        hidden = await asyncio.to_thread(hide, rules, texts)
        attempt = 1
        while True:
            try:
                return await self.admitted(lambda: asyncio.to_thread(ask, hidden), rules)
            except (ModelBusy, ModelFailed):
                if not again or attempt >= limits.attempts:
                    raise
            await asyncio.sleep(limits.rest(attempt))
            attempt += 1

    async def admitted(self, ask: Callable[[], Awaitable[T]], rules: Platform) -> T:
        """Once, with what was hidden before. Raises ModelBusy and what `ask` raises."""
        provider = Provider(self.provider, rules, self.resources.breakers, self.resources.slots)
        seconds, wait = self.seconds, self.wait_seconds if self.wait_seconds is not None else self.seconds
        try:
            async with provider.admitted(most=seconds, seconds=seconds, wait_seconds=wait, blame=_blame):
                return await self._once(ask, rules)
        except NotAdmitted as refusal:
            raise ModelBusy(_BUSY[refusal.reason]) from refusal

    async def _once(self, ask: Callable[[], Awaitable[T]], rules: Platform) -> T:
        started = time.perf_counter()
        outcome: dict[str, Any] = {"outcome": "failed", "reason": "server_error", "cost_usd": None}
        try:
            found = await ask()
            outcome = self._outcome(found, rules)
        except (ModelRefused, ModelUnavailable) as error:
            outcome = {"outcome": "failed", "reason": error.code, "cost_usd": Decimal(0)}
            raise
        finally:
            call = ModelCall(self.model, self.provider, seconds=time.perf_counter() - started, **outcome)
            await record(self.resources, self.who, self.operation, [call], rules)
        return found

    def _outcome(self, found: object, rules: Platform) -> dict[str, Any]:
        """An endpoint is paid by the hour: what one call of it costs is not known."""
        if not isinstance(found, Embedded | Embeddings | Reranked):
            return {"outcome": "answered", "cost_usd": None}
        usage = RequestUsage(input_tokens=found.input_tokens)
        cost = price(self.model, usage, rules.prices) if found.input_tokens else None
        return {"outcome": "answered", "input_tokens": found.input_tokens, "cost_usd": cost}


def hide(rules: Platform, texts: Sequence[str]) -> list[str]:
    """Without personal data, where the installation wants it so; alike in every text, so that vectors agree."""
    if not rules.safety.pseudonymise:
        return list(texts)
    return [Pseudonyms(regions=rules.safety.phone_regions).hidden(text) for text in texts]


async def rules_of(resources: Resources) -> Platform:
    """Raises ModelBudgetSpent."""
    async with resources.db.session() as db:
        rules = await providers.platform(db)
        if await analytics.over_budget(db, rules.costs):
            raise ModelBudgetSpent
    return rules


async def record(
    resources: Resources, who: Principal, operation: Operation, calls: list[ModelCall], rules: Platform
) -> None:
    await analytics.record_alone(resources, calls, user_id=who.user_id, operation=operation, costs=rules.costs)


def _blame(error: Exception) -> Blame:
    if isinstance(error, ModelBusy | ModelFailed):
        return "provider"
    return "request" if isinstance(error, ModelRefused | ModelUnavailable) else "nobody"
