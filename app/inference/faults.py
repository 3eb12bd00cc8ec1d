"""What a failed request to a provider means: try again, ask another, or tell the caller."""

from enum import StrEnum

from pydantic_ai.exceptions import (
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelHTTPError,
    ModelNotFoundError,
    ModelQuotaExceededError,
    ModelRateLimitError,
    ModelRequestRejectedError,
    ModelRequestTimeout,
    ModelServerError,
    ModelTimeoutError,
    ModelUnavailableError,
)

_MISSING = frozenset({401, 403, 404})
_PASSING = frozenset({408, 425, 429})
_SERVER_ERROR = 500


class Fault(StrEnum):
    PASSING = "passing"
    """The provider may answer the same request in a moment: 429, 5xx, timeouts, lost connections."""
    BROKEN = "broken"
    """The provider answers nobody here: no credentials, no quota, no such model. Another provider may."""
    REFUSED = "refused"
    """The provider is well and does not want this request: it is wrong, too long, or against its policy."""


def fault_of(error: Exception) -> Fault:
    match error:
        case ModelQuotaExceededError() | ModelAuthenticationError() | ModelNotFoundError():
            return Fault.BROKEN
        case ModelRateLimitError() | ModelServerError() | ModelUnavailableError():
            return Fault.PASSING
        case ModelConnectionError() | ModelRequestTimeout():
            return Fault.PASSING
        case ModelHTTPError(status_code=status):
            if status in _PASSING or status >= _SERVER_ERROR:
                return Fault.PASSING
            return Fault.BROKEN if status in _MISSING else Fault.REFUSED
        case ModelRequestRejectedError():
            return Fault.REFUSED
        case ModelAPIError():
            return Fault.PASSING
        case _:
            return Fault.REFUSED


def described(error: Exception) -> tuple[str, int | None]:
    """A word for it and the HTTP status, if any. Never the provider's own words: they may quote the report."""
    status = error.status_code if isinstance(error, ModelHTTPError) else None
    match error:
        case ModelTimeoutError() | ModelRequestTimeout():
            return "timeout", status
        case ModelConnectionError():
            return "connection", status
        case ModelRateLimitError():
            return "rate_limit", status
        case ModelQuotaExceededError():
            return "quota", status
        case ModelAuthenticationError():
            return "credentials", status
        case ModelNotFoundError():
            return "no_such_model", status
        case ModelServerError() | ModelUnavailableError():
            return "server_error", status
        case ModelAPIError():
            return "refused" if fault_of(error) is Fault.REFUSED else "server_error", status
        case _:
            return "unusable_answer", status
