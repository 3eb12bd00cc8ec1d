"""What the application answers to requests that are wrong, and when things are away."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, HTTPException, Query
from pydantic import SecretStr
from sqlalchemy import text

from app.core.db import Database, ReadSession, WriteSession
from app.core.errors import Conflict, PreconditionFailed
from app.core.http import check_version, etag, problem_response
from app.core.idempotency import IdempotentRoute
from app.core.resources import Resources
from app.core.schemas import Day, In, Line, Moment, RowId, Text
from app.core.settings import DatabaseSettings, Settings
from tests.factories.people import Person, register
from tests.factories.serving import serving


class Thing(In):
    name: Line
    size: float = 0
    parts: dict[str, float] | None = None


router = APIRouter(route_class=IdempotentRoute, prefix="/things")


@router.post("")
async def make(body: Thing) -> Thing:
    return body


@router.get("")
async def find(q: Annotated[Text | None, Query()] = None) -> dict[str, str | None]:
    return {"q": q}


@router.get("/{number}")
async def get(number: RowId) -> dict[str, int]:
    return {"number": number}


@router.get("/-/since")
async def since(day: Day, moment: Moment) -> None: ...


@router.post("/counted")
async def count() -> int:
    return 3


@router.delete("/{number}", status_code=204)
async def drop(number: int) -> None: ...


@router.get("/-/teapot")
async def teapot() -> None:
    raise HTTPException(418, "short and stout", headers={"X-Spout": "yes"})


@router.get("/-/refused/{status}")
async def refused(status: int) -> None:
    raise HTTPException(status, "no")


@router.get("/-/members")
async def members() -> None:
    raise Conflict("Two of them.", status="not the status", code="not the code", more=[1, 2])


@router.get("/-/read")
async def read(db: ReadSession) -> int:
    return len((await db.execute(text("SELECT 1"))).all())


@router.post("/-/sleep")
async def sleep(db: WriteSession) -> None:
    await db.execute(text("SELECT pg_sleep(0.5)"))


@router.get("/-/wrong-sql")
async def wrong_sql(db: ReadSession) -> None:
    await db.execute(text("SELECT 1 / 0"))


@router.get("/-/cut")
async def cut(db: ReadSession) -> None:
    await db.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))


@pytest.fixture(autouse=True)
def _routes(small_app: FastAPI) -> None:
    small_app.include_router(router)


@pytest.fixture
async def ann(resources: Resources) -> Person:
    return await register(resources, username="ann")


def code_of(answer: httpx2.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["type"] == f"urn:evidesk:problem:{problem['code']}"
    assert {"title", "detail", "request_id"} <= problem.keys()
    return answer.status_code, problem["code"]


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b'{"name": "\xff\xfe"}',
        b'{"name": "\xed\xa0\x80"}',
        b'{"name": "\\ud800"}',
        b'{"name": "a\\u0000b"}',
        b'{"name": "a\x00b"}',
        '{"name": "x"}'.encode("utf-16"),
        b'{"name": 12}',
        b'{"name": null}',
        b'{"name": "  "}',
        b'{"name": "x", "size": NaN}',
        b'{"name": "x", "size": 1e999}',
        b'{"name": "x", "parts": {"a": -Infinity}}',
        b'{"name": "x", "more": 1}',
        b'{"name": "x", "size": ' + b"1" * 5000 + b"}",
        b'{"name": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        json.dumps({"name": "x" * 301}).encode(),
    ],
    ids=lambda body: repr(body[:30]),
)
async def test_a_body_that_is_not_the_thing_is_refused_with_422(small: httpx2.AsyncClient, body: bytes) -> None:
    answer = await small.post("/things", content=body, headers=JSON)
    assert code_of(answer) == (422, "validation_failed")
    assert answer.json()["errors"]


async def test_a_body_of_another_kind_is_refused(small: httpx2.AsyncClient) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "image/png", "", "nonsense"):
        answer = await small.post("/things", content=b'{"name": "x"}', headers={"Content-Type": kind})
        assert code_of(answer) == (422, "validation_failed")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"name": ""}, "must have at least 1 characters, not 0"),
        ({"name": "x" * 301}, "must have at most 300 characters, not 301"),
        ({"name": "  "}, "must not be blank"),
        (["x"], "must be a JSON object"),
    ],
)
async def test_what_is_wrong_is_said_in_words_of_its_reader(small: httpx2.AsyncClient, body: object, said: str) -> None:
    assert (await small.post("/things", json=body)).json()["errors"][0]["message"] == said


async def test_a_form_sent_for_json_is_told_which_header_is_missing(small: httpx2.AsyncClient) -> None:
    (wrong,) = (await small.post("/things", data={"name": "x"})).json()["errors"]
    assert wrong["message"] == "must be JSON, sent with the header 'Content-Type: application/json'"


async def test_a_day_and_a_time_are_shown_by_example(small: httpx2.AsyncClient) -> None:
    asked = {"day": "yesterday", "moment": "noon"}
    day, moment = (await small.get("/things/-/since", params=asked)).json()["errors"]
    assert (day["message"], moment["message"][:35]) == (
        "must be a day, such as 2026-01-31",
        "must be a time as in RFC 3339, such",
    )


async def test_broken_json_is_told_where(small: httpx2.AsyncClient) -> None:
    answer = await small.post("/things", content=b'{"name": }', headers=JSON)
    assert "line 1 column 10" in answer.json()["errors"][0]["message"]


async def test_an_answer_does_not_repeat_what_was_sent(small: httpx2.AsyncClient) -> None:
    answer = await small.post("/things", json={"name": 1, "secret": "hunter2"})
    assert answer.status_code == 422
    assert "hunter2" not in answer.text


async def test_good_json_passes_in_any_alphabet(small: httpx2.AsyncClient) -> None:
    answer = await small.post("/things", json={"name": "Größe 👍", "size": 1.5})
    assert answer.json() == {"name": "Größe 👍", "size": 1.5, "parts": None}


@pytest.mark.parametrize("number", ["0", "-1", str(2**63), "1" + "0" * 30, "9" * 5000, "abc", "1.5"])
async def test_an_id_out_of_range_is_refused(small: httpx2.AsyncClient, number: str) -> None:
    assert code_of(await small.get(f"/things/{number}")) == (422, "validation_failed")


async def test_unknown_addresses_and_methods_are_problems(small: httpx2.AsyncClient) -> None:
    assert code_of(await small.get("/nothing")) == (404, "not_found")
    assert code_of(await small.get("/things/")) == (404, "not_found")
    answer = await small.put("/things")
    assert code_of(answer) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD, POST"
    assert (await small.options("/things/1")).headers["allow"] == "DELETE, GET, HEAD"


async def test_an_address_of_its_own_is_not_taken_for_an_id(small: httpx2.AsyncClient) -> None:
    assert (await small.post("/things/counted")).json() == 3
    for method in ("GET", "DELETE", "PATCH"):
        answer = await small.request(method, "/things/counted")
        assert code_of(answer) == (405, "method_not_allowed")
        assert answer.headers["allow"] == "POST"


async def test_what_the_framework_refuses_keeps_its_status_and_headers(small: httpx2.AsyncClient) -> None:
    answer = await small.get("/things/-/teapot")
    assert code_of(answer) == (418, "i'm_a_teapot")
    assert answer.headers["x-spout"] == "yes"
    assert code_of(await small.get("/things/-/refused/400")) == (400, "bad_request")
    assert code_of(await small.get("/things/-/refused/413")) == (413, "too_large")


async def test_an_errors_own_members_cannot_replace_the_standard_ones(small: httpx2.AsyncClient) -> None:
    answer = await small.get("/things/-/members")
    assert code_of(answer) == (409, "conflict")
    assert (answer.json()["detail"], answer.json()["more"]) == ("Two of them.", [1, 2])


async def test_a_database_that_cannot_be_reached_is_503(small_app: FastAPI, small: httpx2.AsyncClient) -> None:
    real = small_app.state.resources
    for address in ("127.0.0.1:1", "localhost:1"):
        away = Database(f"postgresql://nobody@{address}/x")
        small_app.state.resources = replace(real, db=away)
        answer = await small.get("/things/-/read")
        assert code_of(answer) == (503, "unavailable")
        assert answer.headers["retry-after"] == "2"
        await away.dispose()


async def test_a_wrong_password_for_the_database_is_503(
    small_app: FastAPI, small: httpx2.AsyncClient, settings: Settings
) -> None:
    real = small_app.state.resources
    assert settings.database_url is not None
    away = Database(settings.database_url.get_secret_value().replace("evidesk:", "stranger:", 1))
    small_app.state.resources = replace(real, db=away)
    assert code_of(await small.get("/things/-/read")) == (503, "unavailable")
    await away.dispose()


async def test_a_connection_that_breaks_is_503_and_the_next_request_works(small: httpx2.AsyncClient) -> None:
    assert code_of(await small.get("/things/-/cut")) == (503, "unavailable")
    assert (await small.get("/things/-/read")).json() == 1


async def test_too_many_requests_for_the_pool_are_503(
    small_app: FastAPI, small: httpx2.AsyncClient, settings: Settings
) -> None:
    real = small_app.state.resources
    assert settings.database_url is not None
    options = DatabaseSettings(pool_size=1, max_overflow=0, pool_timeout_seconds=0.1)
    narrow = Database(settings.database_url.get_secret_value(), options)
    small_app.state.resources = replace(real, db=narrow)
    answers = await asyncio.gather(*(small.post("/things/-/sleep") for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 503, 503]
    await narrow.dispose()


async def test_a_defect_in_a_query_is_ours_and_stays_a_500(small: httpx2.AsyncClient) -> None:
    assert (await small.get("/things/-/wrong-sql")).status_code == 500


@pytest.mark.parametrize("given", [None, "*", '"3"', 'W/"3"', '"1", "3"'])
def test_an_edit_of_the_current_version_passes(given: str | None) -> None:
    check_version(given, version=3, current={"a": 1}, wanted={"a": 2})


@pytest.mark.parametrize("given", ['"2"', "3", "", '"3', "x" * 200])
def test_an_edit_of_another_version_is_told_the_fields_that_differ(given: str) -> None:
    with pytest.raises(PreconditionFailed) as refused:
        check_version(given, version=3, current={"a": 1, "b": 1, "c": 1}, wanted={"a": 2, "b": 1, "z": 1})
    assert refused.value.members == {"version": 3, "current": {"a": 1}}
    assert refused.value.headers == {"ETag": etag(3)}


def test_a_problem_without_a_request_says_so_too() -> None:
    body = json.loads(bytes(problem_response(Conflict()).body))
    assert body["request_id"] == ""


# The whole application.


async def test_bodies_over_the_limit_are_refused_declared_or_not(
    resources: Resources, settings: Settings, ann: Person
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b" " * 100

    small_bodies = settings.http.model_copy(update={"max_body_bytes": 10_000})
    async with serving(settings.model_copy(update={"http": small_bodies})) as api:
        for path in ("/api/v1/auth/login", "/api/v1/users/me/api-keys", "/api/v1/tickets"):
            for extra in ({}, {"Idempotency-Key": "k"}):
                headers = {**JSON, **ann.headers, **extra}
                for content in (b" " * 10_001, chunks()):
                    answer = await api.post(path, content=content, headers=headers)
                    assert code_of(answer) == (413, "too_large")
                    assert answer.headers["connection"] == "close"
        answer = await api.post("/api/v1/auth/login", content=b" " * 10_000, headers=JSON)
        assert answer.status_code == 422


@pytest.mark.parametrize(
    "address", ["/api/v1/tickets?q=%ff", "/api/v1/tickets?q=a%00b", "/api/v1/tickets/%ff", "/api/v1/%00", "/%c3%28"]
)
async def test_addresses_that_are_not_text_are_refused(api: httpx2.AsyncClient, ann: Person, address: str) -> None:
    assert code_of(await api.get(address, headers=ann.headers)) == (400, "bad_request")


async def test_addresses_in_any_alphabet_pass(api: httpx2.AsyncClient, ann: Person) -> None:
    assert (await api.get("/api/v1/tickets?q=Gr%C3%B6%C3%9Fe+%F0%9F%91%8D", headers=ann.headers)).status_code == 200


async def test_a_ticket_id_of_ten_to_the_thirty_is_refused(api: httpx2.AsyncClient, ann: Person) -> None:
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        answer = await api.request(method, f"/api/v1/tickets/{10**30}", headers=ann.headers)
        assert answer.status_code in (404, 422)


async def test_a_database_away_during_the_login_check_is_503(resources: Resources, settings: Settings) -> None:
    ann = await register(resources)
    away = settings.model_copy(update={"database_url": SecretStr("postgresql://nobody@127.0.0.1:1/x")})
    async with serving(away) as api:
        assert code_of(await api.get("/api/v1/users/me", headers=ann.headers)) == (503, "unavailable")
