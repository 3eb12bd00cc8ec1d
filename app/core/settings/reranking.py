"""A second look at the passages that the search found, by a model that reads question and passage together."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, Field, SecretStr, model_validator

_NEEDED = {"local": ("directory",), "http": ("url", "model"), "bedrock": ("model",)}


class RerankerSettings(BaseModel):
    kind: Literal["none", "local", "http", "bedrock"] = Field(
        default="none",
        description="local: a cross-encoder in `directory`; http: a server with Cohere's or Jina's /rerank; bedrock.",
    )
    directory: Path | None = Field(
        default=None, description="config.json, tokenizer.json and model.safetensors of a BERT that scores pairs."
    )
    url: str | None = Field(default=None, description="The whole address, such as https://host/v1/rerank.")
    api_key: SecretStr | None = None
    model: str | None = Field(default=None, description="Of http its name, of bedrock its ARN.")
    passages: int = Field(default=20, ge=1, le=100, description="How many it looks at, the best ones.")
    share: float = Field(default=0.5, ge=0, le=1, description="What it counts for beside words, meaning and title.")
    timeout_seconds: float = Field(
        default=5.0, gt=0, le=60, description="Of a remote one; the search then goes on without."
    )

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        missing = [name for name in _NEEDED.get(self.kind, ()) if getattr(self, name) is None]
        if missing:
            raise ValueError(f"a reranker of kind {self.kind} needs {' and '.join(missing)}")
        return self
