"""OpenAI's Responses API, or any server that speaks it (`EVIDESK_MODELS__OPENAI_BASE_URL`)."""

from pydantic_ai.models import Model
from pydantic_ai.models.openai import OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

from app.core.settings import Settings
from app.inference.providers.secrets import revealed


def build(model: str, settings: Settings) -> Model:
    key = revealed(settings.openai_api_key, provider="openai", variable="OPENAI_API_KEY")
    return OpenAIResponsesModel(model, provider=OpenAIProvider(api_key=key, base_url=settings.models.openai_base_url))
