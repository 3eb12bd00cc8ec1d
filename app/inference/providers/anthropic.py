"""Anthropic's Messages API."""

from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider

from app.core.settings import Settings
from app.inference.providers.secrets import revealed


def build(model: str, settings: Settings) -> Model:
    key = revealed(settings.anthropic_api_key, provider="anthropic", variable="ANTHROPIC_API_KEY")
    return AnthropicModel(model, provider=AnthropicProvider(api_key=key, base_url=settings.models.anthropic_base_url))
