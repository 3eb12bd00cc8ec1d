"""Any server with the `/rerank` of Cohere and Jina, which vLLM, Infinity and text-embeddings gateways speak too."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

import httpx2
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.core.settings import RerankerSettings
from app.inference.errors import ModelBusy, ModelFailed, ModelRefused, ModelUnavailable

Relevance = Annotated[float, Field(allow_inf_nan=False)]


class _Result(BaseModel):
    model_config = ConfigDict(extra="ignore")

    index: Annotated[int, Field(ge=0)]
    relevance_score: Relevance


class _Usage(BaseModel):
    model_config = ConfigDict(extra="ignore")

    total_tokens: Annotated[int, Field(ge=0)] = 0


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore")

    results: list[_Result]
    usage: _Usage | None = None


@dataclass(frozen=True, slots=True)
class Reranked:
    """A score a text, 0 to 1, in their order; `input_tokens` is 0 where the server does not count."""

    scores: list[float]
    input_tokens: int = 0


class HttpReranker:
    def __init__(self, settings: RerankerSettings) -> None:
        self.name = f"http:{settings.model}"
        self.passages, self.share = settings.passages, settings.share
        self._settings = settings

    async def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        return (await self.ask(query, texts)).scores

    async def ask(self, query: str, texts: Sequence[str]) -> Reranked:
        settings = self._settings
        key = settings.api_key
        headers = {} if key is None else {"Authorization": f"Bearer {key.get_secret_value()}"}
        asked = {"model": settings.model, "query": query, "documents": list(texts), "top_n": len(texts)}
        try:
            # Of the whole: the client's own limit is for each piece.
            async with (
                asyncio.timeout(settings.timeout_seconds),
                httpx2.AsyncClient(timeout=settings.timeout_seconds) as client,
            ):
                answer = await client.post(str(settings.url), json=asked, headers=headers)
        except (httpx2.HTTPError, TimeoutError) as error:
            raise ModelFailed(f"The reranker gives no answer ({type(error).__name__}).") from error
        if answer.status_code != HTTPStatus.OK:
            raise _meant(answer.status_code)
        try:
            found = _Answer.model_validate_json(answer.content)
        except ValidationError as error:
            raise ModelFailed("The reranker does not answer in the agreed form.") from error
        scores = in_order({one.index: one.relevance_score for one in found.results}, len(texts))
        return Reranked(scores, 0 if found.usage is None else found.usage.total_tokens)


def in_order(scores: dict[int, float], number: int) -> list[float]:
    """One a text, within 0 and 1. Raises ModelFailed where one is missing."""
    if scores.keys() != set(range(number)):
        raise ModelFailed("The reranker does not say something of every passage.")
    return [min(max(scores[index], 0.0), 1.0) for index in range(number)]


def _meant(status: int) -> Exception:
    match status:
        case HTTPStatus.TOO_MANY_REQUESTS:
            return ModelBusy()
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN | HTTPStatus.NOT_FOUND:
            return ModelUnavailable(f"The reranker cannot be asked (HTTP {status}).")
        case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return ModelFailed(f"The reranker has a failure of its own (HTTP {status}).")
        case _:
            return ModelRefused(f"The reranker refused the request (HTTP {status}).")
