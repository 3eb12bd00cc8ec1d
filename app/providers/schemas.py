from datetime import datetime
from typing import Any

from pydantic import Field

from app.core.schemas import Out
from app.inference.platform import Platform
from app.versions.schemas import ValueChanges, VersionOut


class PlatformChanges(ValueChanges, json_schema_extra={"examples": [{"costs": {"monthly_budget_usd": 200}}]}):
    """Whole sections to replace; null puts the delivered section back. Those left out stay as they are."""

    fallbacks: dict[str, Any] | None = None
    providers: dict[str, Any] | None = None
    breaker: dict[str, Any] | None = None
    prices: dict[str, Any] | None = None
    costs: dict[str, Any] | None = None
    cache: dict[str, Any] | None = None
    safety: dict[str, Any] | None = None


class PlatformOut(VersionOut):
    effective: Platform


class BreakerOut(Out):
    state: str = Field(description="closed, open, or half_open: one request at a time may try.")
    failures: int
    opened_at: datetime | None
    next_try_at: datetime | None


class ProviderOut(Out):
    name: str
    breaker: BreakerOut
    in_use: int = Field(description="Requests that are under way, over all processes.")
    concurrency: int
    request_seconds: float
    attempts: int


class ProvidersOut(Out):
    providers: list[ProviderOut]
    chains: dict[str, dict[str, list[str]]] = Field(
        description="By agent and operation: the models that are asked, in their order."
    )
