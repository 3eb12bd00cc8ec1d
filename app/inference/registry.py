"""Turns a configured model name into a Pydantic AI model.

`local` is always there. `openai:…`, `anthropic:…` and `bedrock:…` need credentials in the settings (for Bedrock:
wherever boto3 finds them); without them the answer is a `ModelUnavailable` that says what is missing, and never
another model in silence.
"""

from collections.abc import Callable
from typing import Final

import boto3
from pydantic import SecretStr
from pydantic_ai.models import Model, known_model_names
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.bedrock import BedrockConverseModel
from pydantic_ai.models.openai import OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.bedrock import BedrockProvider
from pydantic_ai.providers.openai import OpenAIProvider

from app.core.settings import Settings
from app.inference.errors import ModelUnavailable, UnknownModel
from app.inference.local.model import LOCAL_MODEL, LocalModel


def resolve(name: str, settings: Settings) -> Model:
    """Raises `UnknownModel` for a name of no known provider, `ModelUnavailable` when credentials are missing.

    A model holds an HTTP client of its own event loop: resolve one for each run, not one for the process.
    """
    check_name(name)
    if name == LOCAL_MODEL:
        return LocalModel()
    provider, _, model = name.partition(":")
    return _BUILDERS[provider](model, settings)


def check_name(name: str) -> None:
    """Raises `UnknownModel` for a name of no known provider. Looks for no credentials, which may take its time."""
    provider, _, model = name.partition(":")
    if name != LOCAL_MODEL and (provider not in _BUILDERS or not model):
        raise UnknownModel(
            f"“{name}” is no model name: use “{LOCAL_MODEL}” or one that begins with "
            f"{', '.join(f'“{prefix}:”' for prefix in _BUILDERS)}."
        )


def available(name: str, settings: Settings) -> bool:
    """Whether `resolve` would give a model here. Nothing is called."""
    try:
        resolve(name, settings)
    except (ModelUnavailable, UnknownModel):
        return False
    return True


def known_models() -> tuple[str, ...]:
    """`local` first, then every name the installed Pydantic AI knows of the providers supported here.

    A provider may serve more: any name with a supported prefix can be configured.
    """
    prefixes = tuple(f"{prefix}:" for prefix in _BUILDERS)
    return (LOCAL_MODEL, *sorted(name for name in known_model_names() if name.startswith(prefixes)))


def _openai(model: str, settings: Settings) -> Model:
    key = _secret(settings.openai_api_key, "openai", "OPENAI_API_KEY")
    return OpenAIResponsesModel(model, provider=OpenAIProvider(api_key=key, base_url=settings.models.openai_base_url))


def _anthropic(model: str, settings: Settings) -> Model:
    key = _secret(settings.anthropic_api_key, "anthropic", "ANTHROPIC_API_KEY")
    return AnthropicModel(model, provider=AnthropicProvider(api_key=key, base_url=settings.models.anthropic_base_url))


def _bedrock(model: str, settings: Settings) -> Model:
    session = boto3.Session(region_name=settings.models.bedrock_region)
    if session.get_credentials() is None:
        raise ModelUnavailable("Models of “bedrock:” need AWS credentials, and boto3 finds none.")
    if session.region_name is None:
        raise ModelUnavailable("Models of “bedrock:” need a region: set EVIDESK_MODELS__BEDROCK_REGION or AWS_REGION.")
    return BedrockConverseModel(model, provider=BedrockProvider(bedrock_client=session.client("bedrock-runtime")))


def _secret(secret: SecretStr | None, provider: str, variable: str) -> str:
    if secret is None or not secret.get_secret_value():
        raise ModelUnavailable(f"Models of “{provider}:” need an API key: set {variable}.")
    return secret.get_secret_value()


_BUILDERS: Final[dict[str, Callable[[str, Settings], Model]]] = {
    "anthropic": _anthropic,
    "bedrock": _bedrock,
    "openai": _openai,
}
