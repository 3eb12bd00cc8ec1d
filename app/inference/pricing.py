"""What a run has cost, from the price list that comes with genai-prices: an estimate, never a bill."""

from decimal import Decimal

from genai_prices import calc_price
from pydantic_ai.usage import RequestUsage, RunUsage

from app.inference.local.model import LOCAL_MODEL


def price(model: str, usage: RequestUsage | RunUsage) -> Decimal | None:
    """US dollars for a model by its configured name ("openai:gpt-4o"). `local` costs nothing; None: no price known."""
    if model == LOCAL_MODEL:
        return Decimal(0)
    provider, _, name = model.partition(":")
    try:
        return calc_price(usage, name, provider_id=provider).total_price
    except LookupError:
        return None
