"""Any server that speaks OpenAI's Chat Completions: "compatible:<endpoint>/<model>", the endpoint from the settings."""

from pydantic_ai.models import Model
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

from app.core.settings import Settings
from app.inference.errors import ModelUnavailable

_NO_KEY = "none"
"""Sent where a server wants none: the client insists on one."""


def build(model: str, settings: Settings) -> Model:
    name, _, model = model.partition("/")
    endpoint = settings.models.compatible.get(name)
    if endpoint is None:
        raise ModelUnavailable(f"There is no endpoint “{name}”: name it in EVIDESK_MODELS__COMPATIBLE.")
    key = _NO_KEY if endpoint.api_key is None else endpoint.api_key.get_secret_value()
    return OpenAIChatModel(model, provider=OpenAICompatibleProvider(name=name, base_url=endpoint.base_url, api_key=key))
