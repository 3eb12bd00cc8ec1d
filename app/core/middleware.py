"""Layers around the application, outermost first: the road's begin, HEAD, body limits.

Pure ASGI, no BaseHTTPMiddleware: bodies stream through untouched.
"""

import contextlib
import re
import time
from collections.abc import MutableMapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_to_bytes

from fastapi.routing import iter_route_contexts
from opentelemetry.trace import SpanKind
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.errors import BadRequest, Problem, TooLarge
from app.core.http import database_away, is_form, problem_response
from app.core.metrics import REQUEST_SECONDS
from app.core.telemetry import CORRELATION_HEADER, continued, get_logger, new_correlation_id, span

log = get_logger(__name__)

_ACCEPTED_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_GONE = 499
"""What the log says of a request whose sender left before the answer; nobody is sent it."""


class RoadMiddleware:
    """The outermost layer: gives each request its id and span, and turns what nobody caught into a 500 problem."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._paths: dict[int, str] = {}

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
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        started = time.perf_counter()
        status = 0

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[CORRELATION_HEADER] = request_id
            await send(message)

        with continued(carrier), span("http.request", kind=SpanKind.SERVER, method=method) as current:
            try:
                if is_text(scope):
                    await self.app(scope, receive, send_marked)
                else:
                    refusal = BadRequest("The address must be UTF-8 text without NUL characters.")
                    await problem_response(refusal)(scope, receive, send_marked)
            except ClientDisconnect:
                status = status or _GONE
            except Exception as error:
                # The edge of the process: the person gets an id to quote, the log gets the trace.
                problem = database_away(error)
                if problem is None:
                    log.exception("unhandled", error=type(error).__name__)
                if status:
                    raise
                await problem_response(problem or Problem())(scope, receive, send_marked)
            finally:
                route = self._route(scope)
                current.update_name(f"{method} {route}")
                current.set_attribute("http.route", route)
                current.set_attribute("http.response.status_code", status)
                seconds = time.perf_counter() - started
                REQUEST_SECONDS.labels(method, route, str(status)).observe(seconds)
                log.info("request", method=method, route=route, status=status, ms=round(seconds * 1000, 1))

    def _route(self, scope: Scope) -> str:
        """The whole path of the route; the route itself knows only its own part, without the routers' prefixes."""
        route = scope.get("route")
        if route is None:
            return "unmatched"
        known = self._paths.get(id(route))
        if known is None:
            known = getattr(route, "path", "unmatched")
            for context in iter_route_contexts(scope["app"].routes):
                if context.original_route is route and context.path is not None:
                    known = context.path
            self._paths[id(route)] = known
        return known


def is_text(scope: MutableMapping[str, Any]) -> bool:
    """Whether path and query decode to UTF-8 without NUL. Servers would replace what does not, and databases refuse."""
    raw: bytes = scope.get("raw_path") or b""
    query: bytes = scope.get("query_string") or b""
    for part in (raw, query):
        if b"%" not in part and part.isascii():
            continue
        plain = unquote_to_bytes(part)
        if b"\0" in plain:
            return False
        try:
            plain.decode()
        except UnicodeDecodeError:
            return False
    return True


class HeadMiddleware:
    """Answers HEAD wherever GET is answered, as RFC 9110 asks, unless a route answers HEAD itself."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        # Routing writes into the scope, so the second try needs it as it was.
        fresh = {**scope, "method": "GET", "state": dict(scope.get("state", {}))}
        refused = False

        async def send_unless_refused(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start" and message["status"] == HTTPStatus.METHOD_NOT_ALLOWED:
                refused = "GET" in Headers(raw=message["headers"]).get("allow", "")
            if not refused:
                await send(message)

        async def send_head(message: Message) -> None:
            if message["type"] != "http.response.start":
                # An endless stream has no end to wait for.
                raise _Answered
            await send(message)
            await send({"type": "http.response.body", "body": b""})

        await self.app(scope, receive, send_unless_refused)
        if refused:
            with contextlib.suppress(_Answered):
                await self.app(fresh, receive, send_head)
            scope["route"] = fresh.get("route")


class _Answered(Exception):
    """Ends a GET whose head has been sent."""


class BodyLimitMiddleware:
    """Refuses a body over the limit, by its declared length or as it arrives; uploads have their own limit."""

    def __init__(
        self, app: ASGIApp, max_bytes: int, exempt: Sequence[str] = (), forms_exempt: Sequence[str] = ()
    ) -> None:
        """`forms_exempt`: addresses whose limit is meant for JSON alone."""
        self.app = app
        self.max_bytes = max_bytes
        self.exempt = tuple(exempt)
        self.forms_exempt = tuple(forms_exempt)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] != "http"
            or scope["path"].startswith(self.exempt)
            or (scope["path"].startswith(self.forms_exempt) and is_form(scope))
        ):
            await self.app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        if _is_over(declared, self.max_bytes):
            await _too_large(self.max_bytes)(scope, receive, send)
            return
        seen = 0
        started = False

        async def receive_counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.max_bytes:
                raise TooLarge
            return message

        async def send_within_limit(message: Message) -> None:
            nonlocal started
            # The framework makes a 400 of whatever is raised while it reads; the answer must be ours.
            if seen <= self.max_bytes or started:
                started = True
                await send(message)

        try:
            await self.app(scope, receive_counted, send_within_limit)
        except TooLarge:
            if started or seen <= self.max_bytes:
                raise
        if seen > self.max_bytes and not started:
            await _too_large(self.max_bytes)(scope, receive, send)


def _too_large(most: int) -> Response:
    detail = f"The request body is larger than {most:,} bytes (EVIDESK_HTTP__MAX_BODY_BYTES)."
    # What is left of the body is not read, so the connection cannot serve another request.
    return problem_response(TooLarge(detail, headers={"Connection": "close"}))


def _is_over(declared: str, limit: int) -> bool:
    """Whether a Content-Length is over the limit; one that is no number is for the server to refuse."""
    return declared.isascii() and declared.isdigit() and (len(declared) > 18 or int(declared) > limit)
