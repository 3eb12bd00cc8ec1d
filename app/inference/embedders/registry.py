"""From a configured name to an embedder; a provider's module is loaded when it is first asked for."""

from collections.abc import Sequence
from importlib import import_module

from app.core.settings import Settings
from app.inference.embedders.base import Embeddings, PassageEmbedder
from app.inference.embedding import default_embedder
from app.inference.errors import UnknownModel

LOCAL = "local"
PROVIDERS = ("bedrock", "compatible", "openai")
"""Each is a module beside this one."""


class LocalEmbedder:
    """The sentence model of this process."""

    name = LOCAL
    batch = 64

    def embed(self, texts: Sequence[str], *, query: bool, seconds: float) -> Embeddings:
        return Embeddings(default_embedder().embed(list(texts)))


def check_embedder(name: str) -> None:
    """Raises UnknownModel for a name of no known form."""
    provider, _, model = name.partition(":")
    endpoint, slash, of_endpoint = model.partition("/")
    complete = bool(endpoint and slash and of_endpoint) if provider == "compatible" else bool(model)
    if name != LOCAL and (provider not in PROVIDERS or not complete):
        raise UnknownModel(
            f"“{name[:100]}” is no embedder: use “{LOCAL}” or one that begins with "
            f"{', '.join(f'“{prefix}:”' for prefix in PROVIDERS)}."
        )


def resolve_embedder(name: str, settings: Settings) -> PassageEmbedder:
    """Raises UnknownModel, and ModelUnavailable when a key or an address is missing."""
    check_embedder(name)
    if name == LOCAL:
        return LocalEmbedder()
    provider, _, model = name.partition(":")
    built: PassageEmbedder = import_module(f"app.inference.embedders.{provider}").build(model, settings)
    return built
