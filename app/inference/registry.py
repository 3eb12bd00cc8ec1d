"""Turns a configured model name into a Pydantic AI model.

`local` is always there. `openai:…`, `anthropic:…`, `azure:…`, `compatible:<endpoint>/…` and `bedrock:…` need
credentials or an address in the settings (for Bedrock: wherever boto3 finds them); without them the answer is a
`ModelUnavailable` that says what is missing, and never another model in silence.
"""

from importlib import import_module

from pydantic_ai.models import Model, known_model_names

from app.core.settings import Settings
from app.inference.errors import ModelUnavailable, UnknownModel
from app.inference.local.model import LOCAL_MODEL, LocalModel

PROVIDERS = ("anthropic", "azure", "bedrock", "compatible", "openai")
"""Each is a module of `app.inference.providers`."""


def resolve(name: str, settings: Settings) -> Model:
    """Raises `UnknownModel` for a name of no known provider, `ModelUnavailable` when credentials are missing.

    A model holds an HTTP client of its own event loop: resolve one for each run, not one for the process.
    """
    check_name(name)
    if name == LOCAL_MODEL:
        return LocalModel()
    provider, _, model = name.partition(":")
    built: Model = import_module(f"app.inference.providers.{provider}").build(model, settings)
    return built


def check_name(name: str) -> None:
    """Raises `UnknownModel` for a name of no known provider. Looks for no credentials, which may take its time."""
    provider, _, model = name.partition(":")
    endpoint, slash, of_endpoint = model.partition("/")
    complete = bool(endpoint and slash and of_endpoint) if provider == "compatible" else bool(model)
    if name != LOCAL_MODEL and (provider not in PROVIDERS or not complete):
        raise UnknownModel(
            f"“{name}” is no model name: use “{LOCAL_MODEL}” or one that begins with "
            f"{', '.join(f'“{prefix}:”' for prefix in PROVIDERS)}."
        )


def provider_of(name: str) -> str:
    """Whose limits and breaker a model is under: "openai", "compatible/vllm", "local"."""
    provider, _, model = name.partition(":")
    return f"{provider}/{model.partition('/')[0]}" if provider == "compatible" else provider


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
    prefixes = tuple(f"{prefix}:" for prefix in PROVIDERS)
    return (LOCAL_MODEL, *sorted(name for name in known_model_names() if name.startswith(prefixes)))
