"""HTTP's edges inside the application: problem answers, strict JSON, ETags. Routes stay translations."""

import http
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, cast

from fastapi import FastAPI, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import RouteContext, iter_route_contexts
from pydantic_core import from_json
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.types import Scope

from app.core.db import DatabaseUnreachable
from app.core.errors import (
    BadRequest,
    FieldError,
    Invalid,
    MethodNotAllowed,
    NotFound,
    PreconditionFailed,
    Problem,
    ProblemOut,
    TooLarge,
    Unavailable,
)
from app.core.telemetry import correlation_id, get_logger

log = get_logger(__name__)

API_PREFIX = "/api/v1"
PROBLEM_JSON = "application/problem+json"


def problem_response(problem: Problem) -> Response:
    return _response(
        problem.status, problem.title, problem.detail, problem.code, headers=problem.headers, members=problem.members
    )


def _response(
    status: int,
    title: str,
    detail: str,
    code: str,
    *,
    headers: Mapping[str, str] | None,
    members: Mapping[str, Any] | None = None,
) -> Response:
    body = ProblemOut.model_validate(
        {
            **(members or {}),
            "type": f"urn:evidesk:problem:{code}",
            "title": title,
            "status": status,
            "detail": detail,
            "code": code,
            "request_id": correlation_id.get(),
        }
    )
    return Response(
        body.model_dump_json(exclude_none=True), status_code=status, media_type=PROBLEM_JSON, headers=headers
    )


def field_errors(errors: Sequence[Mapping[str, Any]]) -> list[FieldError]:
    """Pydantic's errors without the input they quote: an answer never repeats what may be a secret."""
    return [
        FieldError(location=list(error["loc"]), message=_message(error), kind=str(error["type"]))
        for error in errors[:50]
    ]


def _message(error: Mapping[str, Any]) -> str:
    """Pydantic's own words, but where they speak of its inside: "Value error, …", and characters as items."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "json_invalid" and context.get("error"):
        return f"{error['msg']}: {context['error']}"
    if kind in _BOUNDS and isinstance(error.get("input"), str):
        bound, name = _BOUNDS[kind]
        return f"must have {bound} {context[name]} characters, not {context['actual_length']}"
    if kind.startswith(_WHEN):
        return f"must be {_WHEN_SAID[kind.partition('_')[0]]}"
    return str(error["msg"]).removeprefix("Value error, ")


_BOUNDS = {"too_long": ("at most", "max_length"), "too_short": ("at least", "min_length")}
_WHEN = ("date_", "datetime_")
_WHEN_SAID = {"date": "a day, such as 2026-01-31", "datetime": "a time as in RFC 3339, such as 2026-01-31T09:30:00Z"}
_NO_OBJECT = frozenset({"model_attributes_type", "model_type", "dict_type"})


def _body_is_no_object(error: Mapping[str, Any], request: Request) -> Mapping[str, Any]:
    """What curl sends without a header is a form to us, and its reader should be told that, not what pydantic sees."""
    if tuple(error["loc"]) != ("body",) or error["type"] not in _NO_OBJECT:
        return error
    as_json = "json" in request.headers.get("content-type", "")
    said = "must be a JSON object" if as_json else "must be JSON, sent with the header 'Content-Type: application/json'"
    return {**error, "msg": said}


async def _on_problem(_request: Request, error: Exception) -> Response:
    return problem_response(cast("Problem", error))


async def _on_validation(request: Request, error: Exception) -> Response:
    errors = cast("RequestValidationError", error).errors()
    if any(one["loc"][:1] == ("path",) for one in errors) and any(
        _is_exact(route, request) for route in _here(request)
    ):
        # PUT /tickets/categorize: that address is no ticket's, it is one of its own without this method.
        return problem_response(MethodNotAllowed(headers={"Allow": _allowed(request)}))
    return problem_response(Invalid(errors=field_errors([_body_is_no_object(one, request) for one in errors])))


async def _on_http(request: Request, raised: Exception) -> Response:
    """What the framework itself refuses: unknown paths, methods, unreadable bodies."""
    error = cast("StarletteHTTPException", raised)
    if error.status_code == NotFound.status:
        return problem_response(NotFound("There is no such address."))
    if error.status_code == MethodNotAllowed.status:
        return problem_response(MethodNotAllowed(headers={"Allow": _allowed(request)}))
    if error.status_code == TooLarge.status:
        return problem_response(TooLarge(headers=error.headers))
    if error.status_code == BadRequest.status:
        return problem_response(BadRequest(str(error.detail), headers=error.headers))
    phrase = http.HTTPStatus(error.status_code).phrase
    code = phrase.lower().replace(" ", "_")
    return _response(error.status_code, phrase, str(error.detail), code, headers=error.headers)


def _allowed(request: Request) -> str:
    """Every method of this address; the framework would name those of the first route that it found there."""
    here = _here(request)
    exact = [route for route in here if _is_exact(route, request)]
    methods = {method for route in exact or here for method in route.methods or ()}
    if "GET" in methods:
        methods.add("HEAD")
    return ", ".join(sorted(methods))


def _here(request: Request) -> list[RouteContext]:
    """The routes whose pattern this address fits."""
    fits = request.scope["path"]
    return [
        route
        for route in iter_route_contexts(request.app.routes)
        if (pattern := getattr(route, "path_regex", None)) is not None and pattern.match(fits)
    ]


def _is_exact(route: RouteContext, request: Request) -> bool:
    """Whether the route is this very address, with nothing variable in it."""
    return bool(route.path == request.scope["path"])


def database_away(error: Exception) -> Unavailable | None:
    """503 for a database that is away or overloaded, which is no defect of ours; None for any other error."""
    gone = isinstance(error, _AWAY) or (isinstance(error, DBAPIError) and error.connection_invalidated)
    if not gone:
        return None
    log.warning("database_unavailable", error=type(error).__name__, cause=type(error.__cause__).__name__)
    return Unavailable(headers={"Retry-After": "2"})


_AWAY = (DatabaseUnreachable, PoolTimeoutError, OperationalError, InterfaceError)


def install_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(StarletteHTTPException, _on_http)


def is_form(scope: Scope) -> bool:
    """Whether a request brings multipart/form-data, by its own word."""
    return Headers(scope=scope).get("content-type", "").lower().lstrip().startswith("multipart/form-data")


class StrictRequest(Request):
    """JSON as RFC 8259 has it: UTF-8 only, no NaN, no half characters, no endless nesting."""

    async def json(self) -> Any:
        try:
            return from_json(await self.body(), allow_inf_nan=False)
        except ValueError as error:
            # The class that FastAPI turns into a 422 with the reason.
            raise json.JSONDecodeError(str(error), "", 0) from error


def etag(version: int) -> str:
    return f'"{version}"'


IfMatch = Annotated[
    str | None, Header(alias="If-Match", max_length=200, description="The ETag that the edit is based on.")
]


def check_version(if_match: str | None, *, version: int, current: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse an edit of an older version, telling the fields whose current value differs from the wanted one."""
    if if_match is None or if_match.strip() == "*":
        return
    given = {tag.strip().removeprefix("W/") for tag in if_match.split(",")}
    if etag(version) not in given:
        differing = {name: current[name] for name in wanted if name in current and current[name] != wanted[name]}
        raise PreconditionFailed(headers={"ETag": etag(version)}, version=version, current=differing)
