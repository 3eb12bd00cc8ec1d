"""Azure OpenAI: the model's name is that of the deployment."""

from pydantic_ai.models import Model
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.azure import AzureProvider

from app.core.settings import Settings
from app.inference.errors import ModelUnavailable
from app.inference.providers.secrets import revealed


def build(model: str, settings: Settings) -> Model:
    key = revealed(settings.models.azure_api_key, provider="azure", variable="EVIDESK_MODELS__AZURE_API_KEY")
    if settings.models.azure_endpoint is None:
        raise ModelUnavailable("Models of “azure:” need an address: set EVIDESK_MODELS__AZURE_ENDPOINT.")
    return OpenAIChatModel(
        model,
        provider=AzureProvider(
            azure_endpoint=settings.models.azure_endpoint, api_version=settings.models.azure_api_version, api_key=key
        ),
    )
