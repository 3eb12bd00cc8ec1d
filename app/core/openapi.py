"""The served OpenAPI document: what FastAPI derives from the routes, and what all routes have in common.

Routes document their own errors with `errors.documented`; the ones that can meet any request are added here, once.
"""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from app.core.errors import (
    BadRequest,
    Forbidden,
    Invalid,
    Problem,
    ProblemOut,
    RateLimited,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from app.core.http import API_PREFIX, PROBLEM_JSON
from app.core.idempotency import IdempotencyConflict, IdempotencyKeyInvalid

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_KEY_SCHEME = "api_key"
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key and body within 24 hours brings the stored answer; nothing happens twice.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
}


_LARGEST = 2**63 - 1


def operation_id(route: APIRoute) -> str:
    """The name of the route's function: what generated clients call their methods. A test keeps them unique."""
    return route.name


class Application(FastAPI):
    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = completed(super().openapi())
        return self.openapi_schema


def completed(document: dict[str, Any]) -> dict[str, Any]:
    """Write into the document what every operation shares; errors are `application/problem+json` throughout."""
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError", "ProblemOut"):
        schemas.pop(unused, None)
    problem = ProblemOut.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs")
    schemas["Problem"] = problem
    for path, method, operation in _operations(document):
        operation["summary"] = operation["summary"].capitalize()
        responses = operation.setdefault("responses", {})
        for status, response in [*responses.items()]:
            if _is_frameworks(response):
                del responses[status]
            elif _is_problem(status, response):
                response["content"] = {PROBLEM_JSON: {"schema": _PROBLEM}}
        for error in _common(path, method, operation):
            response = responses.setdefault(
                str(error.status), {"description": "", "content": {PROBLEM_JSON: {"schema": _PROBLEM}}}
            )
            if f"`{error.code}`" not in response["description"] and PROBLEM_JSON in response["content"]:
                known = [response["description"]] if response["description"] else []
                response["description"] = "; ".join([*known, f"`{error.code}`: {error.title}"])
        if method == "post" and path.startswith(API_PREFIX):
            operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)
        # An empty list says that nobody needs to log in; one with {} that one may.
        security = operation.setdefault("security", [])
        if security and {} not in security:
            security.append({_KEY_SCHEME: []})
        operation["responses"] = dict(sorted(responses.items()))
    components.setdefault("securitySchemes", {})[_KEY_SCHEME] = {"type": "apiKey", "in": "header", "name": "X-API-Key"}
    _mend_bounds(document)
    return document


def _mend_bounds(node: Any) -> None:
    """The framework keeps bounds as floats, in which 2**63 - 1 is 2**63: beyond what a column can hold."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if isinstance(value, dict | list):
            _mend_bounds(value)
        elif isinstance(value, float) and value.is_integer():
            node[key] = min(int(value), _LARGEST)


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document.get("paths", {}).items():
        for method in _METHODS:
            if method in item:
                yield path, method, item[method]


def _is_problem(status: str, response: dict[str, Any]) -> bool:
    """Whether a refusal is one of ours; some routes answer one in a form of their own."""
    return status[0] in "45" and (PROBLEM_JSON in response.get("content", {}) or _shown(response) == "ProblemOut")


def _is_frameworks(response: dict[str, Any]) -> bool:
    return _shown(response) == "HTTPValidationError"


def _shown(response: dict[str, Any]) -> str:
    reference: str = response.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref", "")
    return reference.rpartition("/")[2]


def _common(path: str, method: str, operation: dict[str, Any]) -> Iterator[type[Problem]]:
    yield BadRequest
    if operation.get("security"):
        yield Unauthenticated
        yield Forbidden
    if "requestBody" in operation:
        yield TooLarge
    if "requestBody" in operation or operation.get("parameters") or method == "post":
        yield Invalid
    if path.startswith(API_PREFIX):
        if method == "post":
            yield IdempotencyKeyInvalid
            yield IdempotencyConflict
        yield RateLimited
        yield Unavailable
