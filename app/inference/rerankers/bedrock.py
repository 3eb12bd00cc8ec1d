"""Amazon Bedrock's Rerank (Cohere Rerank, Amazon Rerank) through boto3, which finds credentials, and an address
other than AWS' own (`AWS_ENDPOINT_URL_BEDROCK_AGENT_RUNTIME`), by itself.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from app.core.settings import RerankerSettings
from app.inference.errors import ModelBusy, ModelFailed, ModelRefused, ModelUnavailable
from app.inference.rerankers.over_http import Reranked, in_order

CONNECT_SECONDS = 5.0
_BUSY = frozenset({"ThrottlingException", "ServiceQuotaExceededException"})
_CREDENTIALS = frozenset({"AccessDeniedException", "UnrecognizedClientException", "ExpiredTokenException"})
_SERVER_ERROR = 500


class BedrockReranker:
    def __init__(self, settings: RerankerSettings, region: str | None) -> None:
        self.name = f"bedrock:{settings.model}"
        self.passages, self.share = settings.passages, settings.share
        self._settings = settings
        self._region = region

    async def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        return (await self.ask(query, texts)).scores

    async def ask(self, query: str, texts: Sequence[str]) -> Reranked:
        answer = await asyncio.to_thread(self._ask, query, texts)
        try:
            scores = {int(one["index"]): float(one["relevanceScore"]) for one in answer["results"]}
            return Reranked(in_order(scores, len(texts)))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFailed("The reranker does not answer in the agreed form.") from error

    def _ask(self, query: str, texts: Sequence[str]) -> Any:
        seconds = self._settings.timeout_seconds
        options = Config(
            retries={"total_max_attempts": 1}, connect_timeout=min(CONNECT_SECONDS, seconds), read_timeout=seconds
        )
        try:
            client = boto3.Session(region_name=self._region).client("bedrock-agent-runtime", config=options)
            return client.rerank(
                queries=[{"type": "TEXT", "textQuery": {"text": query}}],
                sources=[
                    {"type": "INLINE", "inlineDocumentSource": {"type": "TEXT", "textDocument": {"text": text}}}
                    for text in texts
                ],
                rerankingConfiguration={
                    "type": "BEDROCK_RERANKING_MODEL",
                    "bedrockRerankingConfiguration": {
                        "numberOfResults": len(texts),
                        "modelConfiguration": {"modelArn": str(self._settings.model)},
                    },
                },
            )
        except (NoCredentialsError, NoRegionError) as error:
            raise ModelUnavailable("AWS credentials or a region are missing.") from error
        except ClientError as error:
            raise _meant(error) from error
        except (BotoCoreError, OSError) as error:
            raise ModelFailed(f"AWS gives no answer ({type(error).__name__}).") from error


def _meant(error: ClientError) -> Exception:
    """By code and status alone: the words may quote the question."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _BUSY:
        return ModelBusy()
    if code in _CREDENTIALS:
        return ModelUnavailable(f"AWS refuses the credentials ({code}).")
    return (ModelFailed if status >= _SERVER_ERROR else ModelRefused)(f"The reranker failed ({code}).")
