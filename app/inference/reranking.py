"""A second look at what a search found. `Reranker` is the port; which one, if any, is configuration.

A remote one sees no personal data: it is replaced in question and passages alike, so that they still fit. Within a
running desk it is asked by the rules of all models: see `app.hosted.reranking`.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from app.core.settings import RerankerSettings, Settings
from app.inference.privacy.pseudonyms import Pseudonyms
from app.inference.rerankers.bedrock import BedrockReranker
from app.inference.rerankers.cross_encoder import CrossEncoder
from app.inference.rerankers.over_http import HttpReranker, Reranked

RERANKER = "reranker"
"""Whose limits and breaker a remote one is under: its own, for chats must not rest because a reranker fails."""


class Reranker(Protocol):
    name: str
    passages: int
    """How many it is given, the best ones."""
    share: float
    """What it counts for beside what the search says."""

    async def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        """How well each text answers the query, 0 to 1, in their order.

        Raises ModelUnavailable, ModelBusy, ModelFailed, ModelRefused.
        """


class RemoteReranker(Reranker, Protocol):
    async def ask(self, query: str, texts: Sequence[str]) -> Reranked:
        """As `scores`, with what was counted."""


class Hidden:
    """Around a remote one that a command asks, without a desk."""

    def __init__(self, inner: RemoteReranker) -> None:
        self.name = inner.name
        self.passages, self.share = inner.passages, inner.share
        self._inner = inner

    async def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        pseudonyms = Pseudonyms()
        return await self._inner.scores(pseudonyms.hidden(query), [pseudonyms.hidden(text) for text in texts])


def reranker_of(settings: Settings) -> Reranker | None:
    """None where none is configured."""
    remote = remote_reranker(settings)
    if remote is not None:
        return Hidden(remote)
    chosen = settings.reranker
    return _local(Path(str(chosen.directory)), chosen.passages, chosen.share) if chosen.kind == "local" else None


def remote_reranker(settings: Settings) -> RemoteReranker | None:
    """Not yet hidden from; None where none is configured, or one of this machine."""
    match settings.reranker.kind:
        case "http":
            return HttpReranker(settings.reranker)
        case "bedrock":
            return BedrockReranker(settings.reranker, settings.aws.region)
        case _:
            return None


@lru_cache(maxsize=2)
def _local(directory: Path, passages: int, share: float) -> CrossEncoder:
    """One a process, so that the weights are in memory once."""
    return CrossEncoder(directory, passages=passages, share=share)


__all__ = [
    "RERANKER",
    "Hidden",
    "RemoteReranker",
    "Reranked",
    "Reranker",
    "RerankerSettings",
    "remote_reranker",
    "reranker_of",
]
