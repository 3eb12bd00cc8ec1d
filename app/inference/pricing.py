"""What a request has cost: by the installation's own price table, else by the list that comes with genai-prices.

An estimate, never a bill. What is in neither has no price, which is not the same as costing nothing.
"""

from collections.abc import Mapping
from decimal import Decimal

from genai_prices import calc_price
from pydantic_ai.usage import RequestUsage, RunUsage

from app.inference.local.model import LOCAL_MODEL
from app.inference.platform import Price

_MILLION = 1_000_000


def price(model: str, usage: RequestUsage | RunUsage, prices: Mapping[str, Price]) -> Decimal | None:
    """US dollars for a model by its configured name ("openai:gpt-4o"). `local` costs nothing; None: no price known."""
    listed = prices.get(model)
    if listed is not None:
        return _by_table(listed, usage)
    if model == LOCAL_MODEL:
        return Decimal(0)
    provider, _, name = model.partition(":")
    try:
        return calc_price(usage, name, provider_id=provider).total_price
    except LookupError:
        return None


def listed(model: str) -> bool:
    """Whether the list that comes with genai-prices knows the model."""
    provider, _, name = model.partition(":")
    try:
        calc_price(RequestUsage(), name, provider_id=provider)
    except LookupError:
        return False
    return True


def _by_table(listed: Price, usage: RequestUsage | RunUsage) -> Decimal:
    cached = min(usage.cache_read_tokens, usage.input_tokens)
    for_cached = listed.input if listed.cached_input is None else listed.cached_input
    dollars = (
        Decimal(str(listed.input)) * (usage.input_tokens - cached)
        + Decimal(str(for_cached)) * cached
        + Decimal(str(listed.output)) * usage.output_tokens
    )
    return dollars / _MILLION
