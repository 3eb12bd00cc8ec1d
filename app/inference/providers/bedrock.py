"""Amazon Bedrock's Converse API; credentials are wherever boto3 finds them."""

import boto3
from botocore.config import Config
from pydantic_ai.models import Model
from pydantic_ai.models.bedrock import BedrockConverseModel
from pydantic_ai.providers.bedrock import BedrockProvider

from app.core.settings import Settings
from app.inference.errors import ModelUnavailable

# Repeating is decided in one place, the chain.
_ONE_ATTEMPT = Config(retries={"total_max_attempts": 1})


def build(model: str, settings: Settings) -> Model:
    session = boto3.Session(region_name=settings.models.bedrock_region)
    if session.get_credentials() is None:
        raise ModelUnavailable("Models of “bedrock:” need AWS credentials, and boto3 finds none.")
    if session.region_name is None:
        raise ModelUnavailable("Models of “bedrock:” need a region: set EVIDESK_MODELS__BEDROCK_REGION or AWS_REGION.")
    return BedrockConverseModel(
        model, provider=BedrockProvider(bedrock_client=session.client("bedrock-runtime", config=_ONE_ATTEMPT))
    )
