"""OpenAI, or any server at `EVIDESK_MODELS__OPENAI_BASE_URL`."""

from app.core.settings import Settings
from app.inference.embedders.wire import WireEmbedder
from app.inference.providers.secrets import revealed

ADDRESS = "https://api.openai.com/v1"


def build(model: str, settings: Settings) -> WireEmbedder:
    key = revealed(settings.openai_api_key, provider="openai", variable="OPENAI_API_KEY")
    return WireEmbedder(f"openai:{model}", model, base_url=settings.models.openai_base_url or ADDRESS, api_key=key)
