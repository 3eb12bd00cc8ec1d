"""SageMaker endpoints and Bedrock embeddings through boto3, which finds credentials, and addresses other than AWS' own
(`AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME`, `AWS_ENDPOINT_URL_BEDROCK_RUNTIME`), by itself.

An endpoint is sent `{"instances": [{"text": …}]}` and answers `{"predictions": [{…}]}`, as TensorFlow Serving does.
"""

import json
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError
from pydantic import BaseModel, ValidationError

from app.core.settings import Settings
from app.inference.endpoints import Classification, Embedded, ResolutionTime
from app.inference.errors import ModelBusy, ModelFailed, ModelRefused, ModelUnavailable

MOST_BYTES = 5_000_000
_BUSY = frozenset({"ThrottlingException", "ServiceQuotaExceededException", "ModelNotReadyException"})
_AWAY = frozenset({"ServiceUnavailable", "ServiceUnavailableException", "InternalFailure", "InternalServerException"})
_SERVER_ERROR = 500

Shape = TypeVar("Shape", bound=BaseModel)


class AwsEndpoints:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings.aws

    def classify(self, text: str) -> Classification:
        return self._predicted("CLASSIFY_ENDPOINT", self._settings.classify_endpoint, {"text": text}, Classification)

    def resolution_time(self, text: str, facts: dict[str, str]) -> ResolutionTime:
        instance = {"text": text, **facts}
        return self._predicted("RESOLUTION_ENDPOINT", self._settings.resolution_endpoint, instance, ResolutionTime)

    def embed(self, text: str) -> Embedded:
        model = configured("EMBED_MODEL", self._settings.embed_model)
        cohere = "cohere." in model
        body = {"texts": [text], "input_type": "search_document"} if cohere else {"inputText": text}
        answer = self._invoked(
            "bedrock-runtime",
            lambda client: client.invoke_model(
                modelId=model, body=json.dumps(body), contentType="application/json", accept="application/json"
            )["body"],
        )
        try:
            vector = answer["embeddings"][0] if cohere else answer["embedding"]
            return Embedded(vector=vector, input_tokens=answer.get("inputTextTokenCount", 0))
        except (KeyError, IndexError, TypeError, AttributeError, ValidationError) as error:
            raise ModelFailed("The model's answer is no vector.") from error

    def _predicted(self, setting: str, endpoint: str | None, instance: dict[str, str], shape: type[Shape]) -> Shape:
        name = configured(setting, endpoint)
        body = json.dumps({"instances": [instance]})
        answer = self._invoked(
            "sagemaker-runtime",
            lambda client: client.invoke_endpoint(
                EndpointName=name, Body=body, ContentType="application/json", Accept="application/json"
            )["Body"],
        )
        try:
            return shape.model_validate(answer["predictions"][0])
        except (KeyError, IndexError, TypeError, ValidationError) as error:
            raise ModelFailed(f"The endpoint {name} does not answer in the agreed form.") from error

    def _invoked(self, service: str, call: Any) -> Any:
        seconds = self._settings.timeout_seconds
        options = Config(retries={"total_max_attempts": 1}, connect_timeout=min(5, seconds), read_timeout=seconds)
        try:
            session = boto3.Session(region_name=self._settings.region)
            client = session.client(service, config=options)  # type: ignore[call-overload] # a name that is known later
            with call(client) as stream:
                return json.loads(stream.read(MOST_BYTES))
        except (NoCredentialsError, NoRegionError) as error:
            raise ModelUnavailable(
                "AWS credentials or a region are missing: set them where boto3 looks, or EVIDESK_AWS__REGION."
            ) from error
        except ClientError as error:
            raise _meant(error) from error
        except (BotoCoreError, OSError) as error:
            raise ModelFailed(f"AWS gives no answer ({type(error).__name__}); try again later.") from error
        except ValueError as error:
            raise ModelFailed("The model's answer is not readable.") from error


def configured(setting: str, value: str | None) -> str:
    if value is None:
        raise ModelUnavailable(f"This model is not set up here: an administrator has to set EVIDESK_AWS__{setting}.")
    return value


def _meant(error: ClientError) -> Exception:
    """By code and status alone: the words may quote the ticket."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _BUSY:
        return ModelBusy()
    if code in _AWAY or status >= _SERVER_ERROR:
        return ModelFailed(f"The model has a failure of its own ({code}); try again later.")
    if code in ("AccessDeniedException", "UnrecognizedClientException", "ExpiredTokenException"):
        return ModelUnavailable(f"AWS refuses the credentials ({code}).")
    return ModelRefused(f"The model refused the request ({code}).")
