"""One call of a model at Amazon's runtimes, with errors that say what to do about them."""

import json
from collections.abc import Callable
from typing import Any, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from app.inference.errors import ModelBusy, ModelFailed, ModelRefused, ModelUnavailable

MOST_BYTES = 5_000_000
_BUSY = frozenset({"ThrottlingException", "ServiceQuotaExceededException", "ModelNotReadyException"})
_AWAY = frozenset({"ServiceUnavailable", "ServiceUnavailableException", "InternalFailure", "InternalServerException"})
_SERVER_ERROR = 500
_CONNECT_SECONDS = 5.0

Service = Literal["bedrock-runtime", "sagemaker-runtime"]


def invoked(model: str, body: dict[str, Any], *, region: str | None, seconds: float) -> Any:
    """A Bedrock model's answer to a body of its own form."""
    said = json.dumps(body)
    kind = "application/json"
    return called(
        "bedrock-runtime",
        lambda client: client.invoke_model(modelId=model, body=said, contentType=kind, accept=kind)["body"],
        region=region,
        seconds=seconds,
    )


def called(service: Service, call: Callable[[Any], Any], *, region: str | None, seconds: float) -> Any:
    """The JSON that the call's stream holds. Once: whoever calls decides about another attempt."""
    options = Config(
        retries={"total_max_attempts": 1}, connect_timeout=min(_CONNECT_SECONDS, seconds), read_timeout=seconds
    )
    try:
        client = boto3.Session(region_name=region).client(service, config=options)
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
