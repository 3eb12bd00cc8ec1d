"""Who makes vectors of passages: `local`, or a provider by the same names as its models."""

from app.inference.embedders.base import Embeddings, PassageEmbedder
from app.inference.embedders.registry import LOCAL, check_embedder, resolve_embedder

__all__ = ["LOCAL", "Embeddings", "PassageEmbedder", "check_embedder", "resolve_embedder"]
