"""The layers around the application: ids, defects, HEAD, who leaves early."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import StreamingResponse
from prometheus_client import generate_latest
from starlette.types import Message

from app.core.errors import TooLarge
from app.core.http import install_error_handlers
from app.core.idempotency import IdempotentRoute
from app.core.metrics import REGISTRY
from app.core.middleware import BodyLimitMiddleware, HeadMiddleware, RoadMiddleware
from app.core.telemetry import correlation_id
from tests.factories.serving import client_of

router = APIRouter(route_class=IdempotentRoute, prefix="/things")


@router.get("/{name}")
async def get(name: str) -> dict[str, str]:
    return {"name": name, "correlation_id": correlation_id.get()}


@router.get("/-/broken")
async def broken() -> None:
    raise RuntimeError("hunter2 is in this message")


@router.get("/-/endless")
async def endless() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        while True:
            yield b"more"
            await asyncio.sleep(0)

    return StreamingResponse(parts(), headers={"X-Kind": "endless"})


@router.get("/-/half")
async def half() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"half"
        raise RuntimeError

    return StreamingResponse(parts())


@router.head("/-/own")
async def own_head() -> None: ...


@router.post("/-/body")
async def body(request: Request) -> int:
    return len(await request.body())


@router.post("/-/raises")
async def raises() -> None:
    raise TooLarge


@pytest.fixture
def wrapped() -> FastAPI:
    app = FastAPI()
    install_error_handlers(app)
    parent = APIRouter(prefix="/api")
    parent.include_router(router)
    app.include_router(parent)
    app.add_middleware(BodyLimitMiddleware, max_bytes=1000, exempt=["/api/things/-/free"])
    app.add_middleware(HeadMiddleware)
    app.add_middleware(RoadMiddleware)
    return app


@pytest.fixture
async def client(wrapped: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(wrapped) as opened:
        yield opened


async def test_a_request_id_is_taken_used_and_returned(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/api/things/a", headers={"X-Request-ID": "abc-1.2:3_4"})
    assert answer.headers["x-request-id"] == answer.json()["correlation_id"] == "abc-1.2:3_4"


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, 'a"b', "a\tb", "é", "<script>"])
async def test_a_request_id_that_could_do_harm_is_replaced(client: httpx2.AsyncClient, given: str) -> None:
    answer = await client.get("/api/things/a", headers={b"X-Request-ID": given.encode()})
    made = answer.headers["x-request-id"]
    assert len(made) == 32
    assert made.isalnum()


async def test_requests_at_once_keep_their_own_ids(client: httpx2.AsyncClient) -> None:
    answers = await asyncio.gather(*(client.get("/api/things/a", headers={"X-Request-ID": str(n)}) for n in range(20)))
    assert [answer.json()["correlation_id"] for answer in answers] == [str(n) for n in range(20)]


async def test_a_defect_is_a_500_that_tells_nothing_but_the_id(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/api/things/-/broken", headers={"X-Request-ID": "find-me"})
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json()["code"], answer.json()["request_id"]) == ("internal_error", "find-me")
    assert "hunter2" not in answer.text


async def test_a_defect_after_the_answer_began_cuts_the_connection(wrapped: FastAPI) -> None:
    transport = httpx2.ASGITransport(app=wrapped)
    async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client:
        with pytest.raises(RuntimeError):
            await client.get("/api/things/-/half")


async def test_head_is_get_without_its_body(client: httpx2.AsyncClient) -> None:
    get, head = await client.get("/api/things/a"), await client.head("/api/things/a")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == get.headers["content-type"]
    assert (await client.head("/api/nothing")).status_code == 404
    assert (await client.head("/api/things/-/body")).status_code == 405


async def test_head_of_an_endless_stream_ends(client: httpx2.AsyncClient) -> None:
    answer = await asyncio.wait_for(client.head("/api/things/-/endless"), 5)
    assert (answer.status_code, answer.headers["x-kind"], answer.content) == (200, "endless", b"")


async def test_a_route_may_answer_head_itself(client: httpx2.AsyncClient) -> None:
    assert (await client.head("/api/things/-/own")).status_code == 200


async def test_a_body_within_the_limit_passes_and_one_over_it_does_not(client: httpx2.AsyncClient) -> None:
    async def chunks(count: int) -> AsyncIterator[bytes]:
        for _ in range(count):
            yield b"x" * 100

    assert (await client.post("/api/things/-/body", content=b"x" * 1000)).json() == 1000
    assert (await client.post("/api/things/-/body", content=chunks(10))).json() == 1000
    assert (await client.post("/api/things/-/body", content=b"x" * 1001)).status_code == 413
    assert (await client.post("/api/things/-/body", content=chunks(11))).status_code == 413
    for declared in ("9" * 30, "5000"):
        answer = await client.post("/api/things/-/body", content=b"", headers={"Content-Length": declared})
        assert answer.status_code == 413


async def test_an_exempt_address_takes_any_body(client: httpx2.AsyncClient) -> None:
    assert (await client.post("/api/things/-/free", content=b"x" * 5000)).status_code == 404


async def test_a_route_that_says_too_large_itself_is_heard(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/api/things/-/raises", content=b"x")
    assert (answer.status_code, "connection" in answer.headers) == (413, False)


async def call(app: Any, path: str, messages: list[Message], **scope: Any) -> list[Message]:
    """One request by hand: what a client library would not send."""
    sent: list[Message] = []
    waiting = list(messages)

    async def receive() -> Message:
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    full = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
        "http_version": "1.1",
        "scheme": "http",
        "server": ("testserver", 80),
        "client": ("127.0.0.1", 1),
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        **scope,
    }
    await app(full, receive, send)
    return sent


async def test_a_sender_who_leaves_early_is_no_defect(wrapped: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    part: Message = {"type": "http.request", "body": b"x", "more_body": True}
    sent = await call(wrapped, "/api/things/-/body", [part, {"type": "http.disconnect"}])
    assert sent == []
    assert "unhandled" not in caplog.text


async def test_a_body_that_grows_too_large_after_the_answer_began_is_cut(wrapped: FastAPI) -> None:
    parts: list[Message] = [{"type": "http.request", "body": b"x" * 600, "more_body": True} for _ in range(3)]
    with pytest.raises(TooLarge):
        await call(RoadMiddleware(BodyLimitMiddleware(_Echo(), max_bytes=1000)), "/x", parts)


class _Echo:
    """Answers while it reads."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            message = await receive()
            await send({"type": "http.response.body", "body": message["body"], "more_body": True})


async def test_other_than_http_passes_untouched() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    layered = RoadMiddleware(HeadMiddleware(BodyLimitMiddleware(app, max_bytes=1)))
    await call(layered, "/", [], type="websocket")
    await call(layered, "/", [], type="lifespan")
    assert seen == ["websocket", "lifespan"]


async def test_numbers_are_by_whole_route_and_known_method(client: httpx2.AsyncClient) -> None:
    await client.get("/api/things/secret-name")
    await client.request("BREW", "/api/things/secret-name")
    await client.get("/somewhere/else")
    shown = generate_latest(REGISTRY).decode()
    assert 'method="GET",route="/api/things/{name}",status="200"' in shown
    assert 'method="OTHER"' in shown
    assert 'route="unmatched",status="404"' in shown
    assert "secret-name" not in shown
    assert "BREW" not in shown
