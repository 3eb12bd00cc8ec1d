"""OpenAI's embeddings endpoint, which many servers speak: `POST {base}/embeddings`."""

from collections.abc import Sequence

import httpx2
from pydantic import BaseModel, ValidationError

from app.inference.embedders.base import Embeddings, checked
from app.inference.errors import ModelBusy, ModelFailed, ModelRefused, ModelUnavailable

MOST_BYTES = 32_000_000
_BUSY = 429
_SERVER_ERROR = 500
_MISSING = frozenset({401, 403, 404})


class _Row(BaseModel):
    index: int
    embedding: list[float]


class _Usage(BaseModel):
    prompt_tokens: int = 0


class _Answer(BaseModel):
    data: list[_Row]
    usage: _Usage = _Usage()


class WireEmbedder:
    batch = 64

    def __init__(self, name: str, model: str, *, base_url: str, api_key: str | None) -> None:
        self.name = name
        self._model = model
        self._url = f"{base_url.rstrip('/')}/embeddings"
        self._headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}

    def embed(self, texts: Sequence[str], *, query: bool, seconds: float) -> Embeddings:
        body = {"model": self._model, "input": list(texts), "encoding_format": "float"}
        try:
            with (
                httpx2.Client(timeout=seconds, headers=self._headers) as client,
                client.stream("POST", self._url, json=body) as answer,
            ):
                _judge(answer.status_code)
                content = _read(answer)
        except httpx2.HTTPError as error:
            raise ModelFailed(f"The embedder gives no answer ({type(error).__name__}); try again later.") from error
        try:
            found = _Answer.model_validate_json(content)
        except ValidationError as error:
            raise ModelFailed("The embedder's answer is not readable.") from error
        rows = [row.embedding for row in sorted(found.data, key=lambda row: row.index)]
        return checked(rows, texts=len(texts), input_tokens=found.usage.prompt_tokens)


def _read(answer: httpx2.Response) -> bytes:
    content = bytearray()
    for piece in answer.iter_bytes():
        content += piece
        if len(content) > MOST_BYTES:
            raise ModelFailed("The embedder's answer is too long.")
    return bytes(content)


def _judge(status: int) -> None:
    """By status alone: the words may quote a passage."""
    if status == _BUSY:
        raise ModelBusy
    if status >= _SERVER_ERROR:
        raise ModelFailed(f"The embedder has a failure of its own ({status}); try again later.")
    if status in _MISSING:
        raise ModelUnavailable(f"The embedder does not know this model or key ({status}).")
    if not 200 <= status < 300:
        raise ModelRefused(f"The embedder refused the request ({status}).")
