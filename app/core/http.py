"""HTTP's edges: problem answers, the request id, body limits, ETags. Routes stay translations.

Pure ASGI, no BaseHTTPMiddleware: bodies stream through untouched.
"""

import http
import re
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import FastAPI, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from opentelemetry.trace import SpanKind
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
)
from app.core.metrics import REQUEST_SECONDS
from app.core.telemetry import CORRELATION_HEADER, continued, correlation_id, get_logger, new_correlation_id, span

log = get_logger(__name__)

API_PREFIX = "/api/v1"
PROBLEM_JSON = "application/problem+json"
_ACCEPTED_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def problem_response(problem: Problem) -> Response:
    body = ProblemOut.model_validate(
        {
            "title": problem.title,
            "status": problem.status,
            "detail": problem.detail,
            "code": problem.code,
            "request_id": correlation_id.get(),
            **problem.members,
        }
    )
    return Response(
        body.model_dump_json(exclude_none=True),
        status_code=problem.status,
        media_type=PROBLEM_JSON,
        headers=problem.headers,
    )


def field_errors(errors: Sequence[Mapping[str, Any]]) -> list[FieldError]:
    """Pydantic's errors without the input they quote: an answer never repeats what may be a secret."""
    return [
        FieldError(location=list(error["loc"]), message=str(error["msg"]), kind=str(error["type"]))
        for error in errors[:50]
    ]


async def _on_problem(_request: Request, error: Problem) -> Response:
    return problem_response(error)


async def _on_validation(_request: Request, error: RequestValidationError) -> Response:
    return problem_response(Invalid(errors=field_errors(error.errors())))


async def _on_http(_request: Request, error: StarletteHTTPException) -> Response:
    """What the framework itself refuses: unknown paths, methods, unreadable bodies."""
    known = {404: NotFound, 405: MethodNotAllowed, 413: TooLarge}.get(error.status_code, BadRequest)
    if known is BadRequest and error.status_code != BadRequest.status:
        phrase = http.HTTPStatus(error.status_code).phrase
        body = {"title": phrase, "detail": str(error.detail), "code": phrase.lower().replace(" ", "_")}
        return JSONResponse(
            {"type": "about:blank", "status": error.status_code, "request_id": correlation_id.get(), **body},
            error.status_code,
            headers=dict(error.headers or {}),
            media_type=PROBLEM_JSON,
        )
    detail = "There is no such address." if known is NotFound else None
    return problem_response(known(detail, headers=error.headers))


def install_error_handlers(app: FastAPI) -> None:
    app.exception_handler(Problem)(_on_problem)
    app.exception_handler(RequestValidationError)(_on_validation)
    app.exception_handler(StarletteHTTPException)(_on_http)


class RoadMiddleware:
    """The outermost layer: gives each request its id and span, and turns what nobody caught into a 500 problem."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get(CORRELATION_HEADER, "")
        request_id = given if _ACCEPTED_ID.fullmatch(given) else new_correlation_id()
        carrier = {"correlation_id": request_id}
        if parent := headers.get("traceparent"):
            carrier["traceparent"] = parent
        started = time.perf_counter()
        status = 0

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[CORRELATION_HEADER] = request_id
            await send(message)

        with continued(carrier), span("http.request", kind=SpanKind.SERVER, method=scope["method"]) as current:
            try:
                await self.app(scope, receive, send_marked)
            except Exception as error:
                # The edge of the process: the person gets an id to quote, the log gets the trace.
                log.exception("unhandled", error=type(error).__name__)
                if status:
                    raise
                await problem_response(Problem())(scope, receive, send_marked)
            finally:
                route = getattr(scope.get("route"), "path", "unmatched")
                current.update_name(f"{scope['method']} {route}")
                current.set_attribute("http.route", route)
                current.set_attribute("http.response.status_code", status)
                seconds = time.perf_counter() - started
                REQUEST_SECONDS.labels(scope["method"], route, str(status)).observe(seconds)
                log.info("request", method=scope["method"], route=route, status=status, ms=round(seconds * 1000, 1))


class BodyLimitMiddleware:
    """Refuses a body over the limit, by its declared length or as it arrives; uploads have their own limit."""

    def __init__(self, app: ASGIApp, max_bytes: int, exempt: Sequence[str] = ()) -> None:
        self.app = app
        self.max_bytes = max_bytes
        self.exempt = tuple(exempt)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(self.exempt):
            await self.app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdigit() and int(declared) > self.max_bytes:
            await problem_response(TooLarge())(scope, receive, send)
            return
        seen = 0

        async def receive_counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.max_bytes:
                raise TooLarge
            return message

        await self.app(scope, receive_counted, send)


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
