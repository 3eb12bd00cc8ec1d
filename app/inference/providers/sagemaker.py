"""SageMaker endpoints and Bedrock embeddings through boto3, which finds credentials, and addresses other than AWS' own
(`AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME`, `AWS_ENDPOINT_URL_BEDROCK_RUNTIME`), by itself.

An endpoint is sent `{"instances": [{"text": …}]}` and answers `{"predictions": [{…}]}`, as TensorFlow Serving does.
"""

import json
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from app.core.settings import Settings
from app.inference.endpoints import Classification, Embedded, ResolutionTime
from app.inference.errors import ModelFailed, ModelUnavailable
from app.inference.providers.bedrock_runtime import Service, called

Shape = TypeVar("Shape", bound=BaseModel)


class AwsEndpoints:
    """Blocking. Raises ModelUnavailable, ModelBusy, ModelFailed, ModelRefused."""

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

    def _invoked(self, service: Service, call: Any) -> Any:
        return called(service, call, region=self._settings.region, seconds=self._settings.timeout_seconds)


def configured(setting: str, value: str | None) -> str:
    if value is None:
        raise ModelUnavailable(f"This model is not set up here: an administrator has to set EVIDESK_AWS__{setting}.")
    return value
