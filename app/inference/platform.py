"""What an installation lays down for all model calls: limits, fallbacks, prices, budget, cache, safety. Typed.

The defaults are `app/config/ai_config.yaml`; `effective` lays an administrator's sections over them.
"""

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Annotated, Any, Self

import phonenumbers
import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from app.core.backoff import doubled, spread
from app.inference.errors import UnknownModel
from app.inference.local.model import LOCAL_MODEL
from app.inference.operations import Operation
from app.inference.registry import check_name, provider_of

DEFAULT = "default"
MAX_CHAIN = 5

Seconds = Annotated[float, Field(gt=0, le=900, allow_inf_nan=False)]
Dollars = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Fraction = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]

RERANKED_OVER = "http:"
"""Begins the name of a reranker that no provider of chats serves: it has a price, and no chain."""

CHANGES_SOMETHING = frozenset({Operation.CREATE_TICKET})
"""Operations whose tools have effects: an answer from a cache would claim an effect that did not take place."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ProviderLimits(_Section):
    concurrency: Annotated[int, Field(ge=1, le=10_000)] = 16
    wait_seconds: Annotated[float, Field(ge=0, le=900, allow_inf_nan=False)] = 30
    request_seconds: Seconds = 60
    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    backoff_seconds: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)] = 0.5
    backoff_max_seconds: Annotated[float, Field(ge=0, le=300, allow_inf_nan=False)] = 8

    def rest(self, attempt: int) -> float:
        """Seconds to wait after an attempt that failed for what may pass, before the next."""
        return spread(doubled(attempt, first=self.backoff_seconds, most=self.backoff_max_seconds))


class BreakerSection(_Section):
    failures: Annotated[int, Field(ge=1, le=1000)] = 5
    window_seconds: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)] = 60
    open_seconds: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)] = 30


class Price(_Section):
    """US dollars for a million tokens; `cached_input` unset: as `input`."""

    input: Dollars
    output: Dollars
    cached_input: Dollars | None = None


class CostSection(_Section):
    monthly_budget_usd: Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)] | None = None
    alert_at: Fraction = 0.80
    stop_at: Fraction = 0.95
    ticket_target_usd: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)] = 0.10

    @model_validator(mode="after")
    def _alert_comes_first(self) -> Self:
        if self.alert_at > self.stop_at:
            raise ValueError("alert_at must not be above stop_at")
        return self


class CacheSection(_Section):
    ttl_seconds: Annotated[int, Field(ge=0, le=30 * 24 * 3600, description="0: nothing is kept.")] = 3600
    operations: Annotated[list[Operation], Field(max_length=50)] = Field(default_factory=list)

    @field_validator("operations")
    @classmethod
    def _without_effects(cls, operations: list[Operation]) -> list[Operation]:
        if forbidden := sorted(CHANGES_SOMETHING.intersection(operations)):
            raise ValueError(f"{', '.join(forbidden)} has effects, and is never answered from the cache")
        return operations


class SafetySection(_Section):
    pseudonymise: bool = True
    phone_regions: Annotated[list[Annotated[str, Field(pattern="^[A-Z]{2}$")]], Field(max_length=300)] = Field(
        default_factory=list, description="Countries whose national phone numbers are looked for."
    )
    link_hosts: Annotated[list[Annotated[str, Field(min_length=1, max_length=253)]], Field(max_length=1000)] = Field(
        default_factory=list
    )

    @field_validator("phone_regions")
    @classmethod
    def _known_regions(cls, regions: list[str]) -> list[str]:
        if unknown := sorted(set(regions) - set(phonenumbers.SUPPORTED_REGIONS)):
            raise ValueError(f"no region is called {unknown[0]}")
        return regions


class Platform(_Section):
    fallbacks: dict[str, Annotated[list[str], Field(max_length=MAX_CHAIN)]] = Field(default_factory=dict)
    providers: dict[str, ProviderLimits] = Field(default_factory=dict)
    breaker: BreakerSection = BreakerSection()
    prices: Annotated[dict[str, Price], Field(max_length=1000)] = Field(default_factory=dict)
    costs: CostSection = CostSection()
    cache: CacheSection = CacheSection()
    safety: SafetySection = SafetySection()

    @field_validator("fallbacks")
    @classmethod
    def _chains(cls, fallbacks: dict[str, list[str]]) -> dict[str, list[str]]:
        if unknown := sorted(set(fallbacks) - {DEFAULT, *Operation}):
            raise ValueError(f"there is no operation “{unknown[0][:100]}”")
        for chain in fallbacks.values():
            for position, name in enumerate(chain, 1):
                _known(name)
                if name == LOCAL_MODEL and position != len(chain):
                    raise ValueError("“local” always answers: nothing can follow it")
        return fallbacks

    @field_validator("prices")
    @classmethod
    def _models(cls, prices: dict[str, Price]) -> dict[str, Price]:
        for name in prices:
            if not name.startswith(RERANKED_OVER):
                _known(name)
        return prices

    def limits(self, provider: str) -> ProviderLimits:
        return self.providers.get(provider) or self.providers.get(DEFAULT) or ProviderLimits()

    def chain(self, primary: str, operation: str) -> list[str]:
        """The models to ask, in order, none of them twice; `local` always ends it."""
        names = [primary, *self.fallbacks.get(operation, self.fallbacks.get(DEFAULT, []))]
        distinct = list(dict.fromkeys(names))
        return distinct[: distinct.index(LOCAL_MODEL) + 1] if LOCAL_MODEL in distinct else distinct

    def providers_in_use(self, primaries: list[str]) -> list[str]:
        """Every remote provider that some chain leads to, in the order of their names."""
        chains = [name for chain in self.fallbacks.values() for name in chain]
        found = {provider_of(name) for name in [*primaries, *chains]} | set(self.providers)
        return sorted(found - {LOCAL_MODEL, DEFAULT})


def _known(name: str) -> None:
    try:
        check_name(name)
    except UnknownModel as error:
        raise ValueError(error.detail) from error


SECTIONS = tuple(Platform.model_fields)


@lru_cache(maxsize=1)
def defaults() -> dict[str, Any]:
    """The delivered file, as it stands."""
    document: dict[str, Any] = yaml.safe_load((files("app") / "config" / "ai_config.yaml").read_text(encoding="utf-8"))
    return document


def effective(sections: Mapping[str, Any]) -> Platform:
    """The defaults with these sections in their place. Raises pydantic's ValidationError."""
    return Platform.model_validate({**defaults(), **sections})
