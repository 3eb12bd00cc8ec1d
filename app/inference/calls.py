"""What the requests to models of one run were: who was asked, how it ended, what it cost, what was hidden from them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

CallOutcome = Literal["answered", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One request, or one that was not made. `cost_usd` is None where no price, or no usage, is known."""

    model: str
    provider: str
    outcome: CallOutcome
    reason: str | None = None
    status: int | None = None
    from_cache: bool = False
    seconds: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: Decimal | None = Decimal(0)


@dataclass(slots=True)
class Journal:
    """Of one attempt of a run, in the order of events. Counts by kind; never a value."""

    calls: list[ModelCall] = field(default_factory=list)
    hidden: Counter[str] = field(default_factory=Counter)
    """What was kept from remote models, each value once."""
    removed: Counter[str] = field(default_factory=Counter)
    """What was taken out of answers."""

    @property
    def answered_by(self) -> str | None:
        return next((call.model for call in reversed(self.calls) if call.outcome == "answered"), None)

    @property
    def cost_usd(self) -> Decimal:
        """Of all calls whose cost is known."""
        return total(self.calls)

    @property
    def unpriced(self) -> int:
        return sum(call.cost_usd is None for call in self.calls)


def total(calls: Iterable[ModelCall]) -> Decimal:
    return sum((call.cost_usd for call in calls if call.cost_usd is not None), Decimal(0))
