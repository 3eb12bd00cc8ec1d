"""Errors as classes: a stable code, an HTTP status, and a sentence for the person who reads it.

`core.http` turns a `Problem` into RFC 9457 `application/problem+json`; `documented(...)` puts it into OpenAPI.
There is no second error system: no `HTTPException` is raised by our own code.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field


class FieldError(BaseModel):
    """One thing that is wrong with a request: where, why, and a machine-readable kind."""

    location: list[str | int]
    message: str
    kind: str


class ProblemOut(BaseModel):
    """RFC 9457, with `code` and `request_id` as extension members; further members depend on the code."""

    model_config = ConfigDict(extra="allow", title="Problem")

    type: str = "about:blank"
    title: str
    status: int = Field(ge=400, le=599)
    detail: str
    code: str
    request_id: str
    errors: list[FieldError] | None = None


class Problem(Exception):
    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    detail: str = "The server met an error of its own; it has been recorded under this request id."
    always: ClassVar[Mapping[str, str]] = {}
    """Headers that each of the class has."""

    def __init__(self, detail: str | None = None, *, headers: Mapping[str, str] | None = None, **members: Any) -> None:
        self.detail = detail if detail is not None else type(self).detail
        self.headers = {**self.always, **(headers or {})}
        self.members = members
        super().__init__(self.detail)

    def __reduce__(self) -> tuple[Any, ...]:
        # Celery carries exceptions between processes by pickle; keyword members would be lost.
        return (_rebuild, (type(self), self.detail, self.headers, self.members))


def _rebuild(kind: type[Problem], detail: str, headers: dict[str, str], members: dict[str, Any]) -> Problem:
    return kind(detail, headers=headers, **members)


class BadRequest(Problem):
    code, status, title = "bad_request", 400, "Bad request"
    detail = "The request could not be understood."


class Unauthenticated(Problem):
    code, status, title = "unauthenticated", 401, "Not authenticated"
    detail = "Log in, or send a valid token as 'Authorization: Bearer …'."
    always: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": "Bearer"}


class Forbidden(Problem):
    code, status, title = "forbidden", 403, "Not allowed"
    detail = "Your role does not allow this."


class NotFound(Problem):
    code, status, title = "not_found", 404, "Not found"
    detail = "There is nothing here that you may see."


class MethodNotAllowed(Problem):
    code, status, title = "method_not_allowed", 405, "Method not allowed"
    detail = "This address does not answer that method; 'Allow' lists those that it does."


class Conflict(Problem):
    code, status, title = "conflict", 409, "Conflict"
    detail = "The request does not fit the present state."


class PreconditionFailed(Problem):
    code, status, title = "precondition_failed", 412, "Somebody changed this meanwhile"
    detail = "The version in If-Match is not the current one; 'current' holds the fields that differ."


class TooLarge(Problem):
    code, status, title = "too_large", 413, "Too large"
    detail = "The request body is larger than the limit."


class Invalid(Problem):
    code, status, title = "validation_failed", 422, "The request is not valid"
    detail = "Some fields are missing, unknown or of the wrong form; 'errors' names them."


class RateLimited(Problem):
    code, status, title = "rate_limited", 429, "Too many requests"
    detail = "Slow down; 'Retry-After' says for how many seconds."


class Unavailable(Problem):
    code, status, title = "unavailable", 503, "Temporarily unavailable"
    detail = "Something this needs is away just now; try again shortly."


Responses = dict[int | str, dict[str, Any]]


def documented(*errors: type[Problem]) -> Responses:
    """OpenAPI `responses` for a route that may raise these, one entry a status, with every code named."""
    answers: Responses = {}
    for error in errors:
        entry = answers.setdefault(
            error.status,
            {"model": ProblemOut, "description": "", "content": {"application/problem+json": {}}},
        )
        line = f"`{error.code}`: {error.title}"
        entry["description"] = f"{entry['description']}; {line}" if entry["description"] else line
    return answers
