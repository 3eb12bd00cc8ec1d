"""Calls of AI models."""

from pydantic import BaseModel, Field


class ModelSettings(BaseModel):
    default: str = Field(default="local", description="The model a new configuration starts with.")
    request_seconds: float = Field(default=60.0, gt=0)
    openai_base_url: str | None = Field(default=None, description="Another server that speaks OpenAI's Responses API.")
    anthropic_base_url: str | None = None
    bedrock_region: str | None = Field(default=None, description="Unset: as boto3 finds it. Credentials likewise.")
