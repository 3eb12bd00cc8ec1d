"""Calls of AI models."""

from pydantic import BaseModel, Field, SecretStr


class CompatibleEndpoint(BaseModel):
    """A server that speaks OpenAI's Chat Completions, such as vLLM, Ollama or a gateway."""

    base_url: str
    api_key: SecretStr | None = None


class ModelSettings(BaseModel):
    default: str = Field(default="local", description="The model a new configuration starts with.")
    openai_base_url: str | None = Field(default=None, description="Another server that speaks OpenAI's Responses API.")
    anthropic_base_url: str | None = None
    bedrock_region: str | None = Field(default=None, description="Unset: as boto3 finds it. Credentials likewise.")
    azure_endpoint: str | None = Field(default=None, description="https://<resource>.openai.azure.com")
    azure_api_key: SecretStr | None = None
    azure_api_version: str = "2025-04-01-preview"
    also_known: list[str] = Field(
        default_factory=list,
        description='Models of OpenAI and Anthropic that are newer than this version\'s list: ["openai:gpt-9"].',
    )
    compatible: dict[str, CompatibleEndpoint] = Field(
        default_factory=dict,
        description='Servers that speak OpenAI\'s protocol: {"vllm": {"base_url": "http://…/v1", "api_key": "…"}}.',
    )
