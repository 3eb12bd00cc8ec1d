"""Models that the installation runs itself at AWS, for the tools of agents."""

from pydantic import BaseModel, Field


class AwsSettings(BaseModel):
    region: str | None = Field(default=None, description="Unset: as boto3 finds it. Credentials likewise.")
    classify_endpoint: str | None = Field(
        default=None, description="SageMaker endpoint that takes a ticket's words and gives its label."
    )
    resolution_endpoint: str | None = Field(
        default=None, description="SageMaker endpoint that takes a ticket's words and gives hours to its resolution."
    )
    answer_model: str | None = Field(default=None, description="Bedrock model for `bedrock_answer`.")
    embed_model: str | None = Field(default=None, description="Bedrock model for `bedrock_embed`: Titan or Cohere.")
    timeout_seconds: float = Field(default=20.0, gt=0, le=120)
