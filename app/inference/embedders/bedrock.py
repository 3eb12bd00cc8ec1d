"""Titan and Cohere at Amazon Bedrock; credentials are wherever boto3 finds them.

Titan takes one text a request, Cohere 96, and reads questions otherwise than what answers them.
"""

from collections.abc import Sequence
from typing import Any

from app.core.settings import Settings
from app.inference.embedders.base import Embeddings, checked
from app.inference.errors import ModelFailed
from app.inference.providers.bedrock_runtime import invoked


def build(model: str, settings: Settings) -> "TitanEmbedder | CohereEmbedder":
    region = settings.models.bedrock_region or settings.aws.region
    return CohereEmbedder(model, region) if "cohere." in model else TitanEmbedder(model, region)


class TitanEmbedder:
    batch = 16

    def __init__(self, model: str, region: str | None) -> None:
        self.name = f"bedrock:{model}"
        self._model, self._region = model, region

    def embed(self, texts: Sequence[str], *, query: bool, seconds: float) -> Embeddings:
        answers = [invoked(self._model, {"inputText": text}, region=self._region, seconds=seconds) for text in texts]
        try:
            tokens = sum(answer.get("inputTextTokenCount", 0) for answer in answers)
            return checked([answer["embedding"] for answer in answers], texts=len(texts), input_tokens=tokens)
        except (KeyError, TypeError, AttributeError) as error:
            raise ModelFailed("The model's answer is no vector.") from error


class CohereEmbedder:
    batch = 96

    def __init__(self, model: str, region: str | None) -> None:
        self.name = f"bedrock:{model}"
        self._model, self._region = model, region

    def embed(self, texts: Sequence[str], *, query: bool, seconds: float) -> Embeddings:
        kind = "search_query" if query else "search_document"
        body = {"texts": list(texts), "input_type": kind, "truncate": "END"}
        answer = invoked(self._model, body, region=self._region, seconds=seconds)
        try:
            rows: Any = answer["embeddings"]
            # Newer ones sort them by the kind of their numbers.
            return checked(rows["float"] if isinstance(rows, dict) else rows, texts=len(texts), input_tokens=0)
        except (KeyError, TypeError) as error:
            raise ModelFailed("The model's answer is no vector.") from error
