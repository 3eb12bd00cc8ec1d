"""The same key and body: one effect, one answer."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts import service
from app.core.auth import Role
from app.core.clock import now
from app.core.db import WriteSession
from app.core.errors import Conflict
from app.core.idempotency import Answer, AnswerBox, IdempotentRoute, forget_old_answers, keeps_own_record, streams_body
from app.core.resources import Resources
from app.core.schemas import In
from app.models.outbox import IdempotencyRecord, OutboxRow
from tests.core.conftest import WHO
from tests.factories.people import principal, register

BODY = {"text": "hello"}


class Note(In):
    text: str


async def write_down(db: AsyncSession, text: str) -> int:
    """The effect that the tests count."""
    row = OutboxRow(aggregate="note:1", type="noted", payload={"text": text})
    db.add(row)
    await db.flush()
    return row.id


async def effects(resources: Resources) -> int:
    async with resources.db.session() as db:
        return (await db.execute(select(func.count()).select_from(OutboxRow))).scalar_one()


async def records(resources: Resources) -> int:
    async with resources.db.session() as db:
        return (await db.execute(select(func.count()).select_from(IdempotencyRecord))).scalar_one()


router = APIRouter(route_class=IdempotentRoute)


@router.post("/notes", status_code=201)
async def note(body: Note, db: WriteSession, response: Response) -> dict[str, object]:
    number = await write_down(db, body.text)
    response.headers["Location"] = f"/notes/{number}"
    response.headers["X-Private"] = "not kept"
    return {"number": number, "text": body.text}


@router.post("/slow", status_code=201)
async def slow(body: Note, db: WriteSession) -> dict[str, object]:
    number = await write_down(db, body.text)
    await asyncio.sleep(0.05)
    return {"number": number}


@router.post("/refused")
async def refused(db: WriteSession) -> None:
    await write_down(db, "never")
    raise Conflict


@router.post("/answered-no")
async def answered_no(db: WriteSession, response: Response) -> dict[str, bool]:
    response.status_code = 409
    return {"ok": False}


@router.post("/no-unit-of-work")
async def no_unit_of_work(request: Request) -> dict[str, int]:
    async with request.app.state.resources.db.unit_of_work() as db:
        return {"number": await write_down(db, "own")}


@router.post("/form", status_code=201)
async def form(request: Request, db: WriteSession) -> dict[str, int]:
    return {"number": await write_down(db, str(len(await request.body())))}


@router.post("/upload", status_code=201)
@streams_body
async def upload(request: Request, db: WriteSession) -> dict[str, int]:
    digest = hashlib.sha256()
    async for chunk in request.stream():
        digest.update(chunk)
    request.state.content_digest = digest.digest()
    return {"number": await write_down(db, digest.hexdigest())}


@router.post("/own")
@keeps_own_record
async def own(body: Note, db: WriteSession) -> dict[str, int]:
    return {"number": await write_down(db, body.text)}


@router.post("/stream")
async def stream() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"part"

    return StreamingResponse(parts())


@pytest.fixture(autouse=True)
def _routes(small_app: FastAPI) -> None:
    small_app.include_router(router)


def keyed(key: str = "k1", who: str = "1") -> dict[str, str]:
    return {"Idempotency-Key": key, WHO: who}


async def test_the_second_request_gets_the_first_answer(small: httpx2.AsyncClient, resources: Resources) -> None:
    first = await small.post("/notes", json=BODY, headers=keyed())
    second = await small.post("/notes", json=BODY, headers=keyed())
    assert (first.status_code, "idempotency-replayed" in first.headers) == (201, False)
    assert (second.status_code, second.headers["idempotency-replayed"]) == (201, "true")
    assert second.content == first.content
    assert second.headers["location"] == first.headers["location"]
    assert second.headers["content-type"] == first.headers["content-type"]
    assert "x-private" not in second.headers
    assert await effects(resources) == 1


async def test_without_a_key_each_request_counts(small: httpx2.AsyncClient, resources: Resources) -> None:
    for _ in range(2):
        assert (await small.post("/notes", json=BODY)).status_code == 201
    assert (await effects(resources), await records(resources)) == (2, 0)


@pytest.mark.parametrize(
    ("path", "body"), [("/notes", {"text": "other"}), ("/slow", BODY), ("/notes?more=1", BODY)], ids=str
)
async def test_a_key_used_for_something_else_is_a_conflict(
    small: httpx2.AsyncClient, resources: Resources, path: str, body: dict[str, str]
) -> None:
    await small.post("/notes", json=BODY, headers=keyed())
    answer = await small.post(path, json=body, headers=keyed())
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_conflict")
    assert await effects(resources) == 1


async def test_two_people_may_use_the_same_key(small: httpx2.AsyncClient, resources: Resources) -> None:
    for who in ("1", "2", ""):
        answer = await small.post("/notes", json=BODY, headers=keyed(who=who))
        assert "idempotency-replayed" not in answer.headers
    assert await effects(resources) == 3


async def test_nobody_in_particular_is_answered_again_too(small: httpx2.AsyncClient, resources: Resources) -> None:
    answers = [await small.post("/notes", json=BODY, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert await effects(resources) == 1


@pytest.mark.parametrize("path", ["/slow", "/upload", "/form"])
async def test_of_many_at_once_one_has_the_effect_and_all_its_answer(
    small: httpx2.AsyncClient, resources: Resources, path: str
) -> None:
    answers = await asyncio.gather(*(small.post(path, json=BODY, headers=keyed()) for _ in range(6)))
    assert [answer.status_code for answer in answers] == [201] * 6
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert (await effects(resources), await records(resources)) == (1, 1)


async def test_of_two_different_requests_at_once_one_is_told_of_the_conflict(
    small: httpx2.AsyncClient, resources: Resources
) -> None:
    answers = await asyncio.gather(
        *(small.post("/slow", json={"text": text}, headers=keyed()) for text in ("one", "two"))
    )
    assert sorted(answer.status_code for answer in answers) == [201, 422]
    assert await effects(resources) == 1


async def test_a_crash_before_the_commit_leaves_neither_effect_nor_answer(
    small_app: FastAPI, small: httpx2.AsyncClient, resources: Resources
) -> None:
    class Broken(AnswerBox):
        def seal(self, answer: Answer) -> bytes:
            raise RuntimeError("the process ends here")

    working = small_app.state.answer_box
    small_app.state.answer_box = Broken("x")
    assert (await small.post("/notes", json=BODY, headers=keyed())).status_code == 500
    assert (await effects(resources), await records(resources)) == (0, 0)
    small_app.state.answer_box = working
    assert (await small.post("/notes", json=BODY, headers=keyed())).status_code == 201


@pytest.mark.parametrize("path", ["/refused", "/answered-no"])
async def test_a_refusal_is_not_stored(small: httpx2.AsyncClient, resources: Resources, path: str) -> None:
    for _ in range(2):
        answer = await small.post(path, headers=keyed())
        assert (answer.status_code, "idempotency-replayed" in answer.headers) == (409, False)
    assert (await effects(resources), await records(resources)) == (0, 0)


async def test_invalid_bodies_are_refused_before_anything_is_stored(
    small: httpx2.AsyncClient, resources: Resources
) -> None:
    assert (await small.post("/notes", json={"text": 1}, headers=keyed())).status_code == 422
    assert (await small.post("/notes", json=BODY, headers=keyed())).status_code == 201


async def test_a_route_without_a_unit_of_work_is_answered_again_too(
    small: httpx2.AsyncClient, resources: Resources
) -> None:
    answers = [await small.post("/no-unit-of-work", headers=keyed()) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert await effects(resources) == 1


async def test_a_streamed_upload_counts_once_and_another_content_conflicts(
    small: httpx2.AsyncClient, resources: Resources
) -> None:
    first = await small.post("/upload", content=b"a" * 100_000, headers=keyed())
    again = await small.post("/upload", content=b"a" * 100_000, headers=keyed())
    other = await small.post("/upload", content=b"b", headers=keyed())
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert other.json()["code"] == "idempotency_conflict"
    assert await effects(resources) == 1


async def test_a_form_sent_again_has_another_boundary_and_is_the_same(
    small: httpx2.AsyncClient, resources: Resources
) -> None:
    answers = []
    for boundary in ("aaaa", "bbbb"):
        body = f'--{boundary}\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n--{boundary}--\r\n'
        kind = f"multipart/form-data; boundary={boundary}"
        answers.append(await small.post("/form", content=body, headers={**keyed(), "Content-Type": kind}))
    assert answers[1].headers["idempotency-replayed"] == "true"
    assert await effects(resources) == 1


async def test_a_route_that_keeps_its_own_record_is_left_alone(small: httpx2.AsyncClient, resources: Resources) -> None:
    for _ in range(2):
        assert (await small.post("/own", json=BODY, headers=keyed())).status_code == 200
    assert (await effects(resources), await records(resources)) == (2, 0)


async def test_a_stream_is_sent_and_not_stored(small: httpx2.AsyncClient, resources: Resources) -> None:
    for _ in range(2):
        answer = await small.post("/stream", headers=keyed())
        assert (answer.content, "idempotency-replayed" in answer.headers) == (b"part", False)
    assert await records(resources) == 0


@pytest.mark.parametrize("key", ["", "k" * 256, "schl\u00fcssel", "tab\tin"])
async def test_a_key_that_cannot_be_stored_is_refused(
    small: httpx2.AsyncClient, resources: Resources, key: str
) -> None:
    answer = await small.post("/notes", json=BODY, headers={b"Idempotency-Key": key.encode()})
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_invalid")
    assert await effects(resources) == 0


async def test_the_longest_key_is_kept(small: httpx2.AsyncClient, resources: Resources) -> None:
    for _ in range(2):
        assert (await small.post("/notes", json=BODY, headers=keyed("k" * 255))).status_code == 201
    assert await effects(resources) == 1


async def test_after_a_day_the_key_is_new_again(small: httpx2.AsyncClient, resources: Resources) -> None:
    await small.post("/notes", json=BODY, headers=keyed())
    async with resources.db.unit_of_work() as db:
        await db.execute(update(IdempotencyRecord).values(created_at=now() - timedelta(hours=24, seconds=1)))
    assert "idempotency-replayed" not in (await small.post("/notes", json=BODY, headers=keyed())).headers
    assert "idempotency-replayed" in (await small.post("/notes", json=BODY, headers=keyed())).headers
    assert (await effects(resources), await records(resources)) == (2, 1)


async def test_old_answers_are_swept_away(small: httpx2.AsyncClient, resources: Resources) -> None:
    await small.post("/notes", json=BODY, headers=keyed("old"))
    async with resources.db.unit_of_work() as db:
        await db.execute(update(IdempotencyRecord).values(created_at=now() - timedelta(hours=25)))
    await small.post("/notes", json=BODY, headers=keyed("new"))
    async with resources.db.unit_of_work() as db:
        await forget_old_answers(db)
    async with resources.db.session() as db:
        assert (await db.execute(select(IdempotencyRecord.key))).scalars().all() == ["new"]


async def test_stored_answers_are_not_readable_in_the_table(small: httpx2.AsyncClient, resources: Resources) -> None:
    await small.post("/notes", json=BODY, headers=keyed())
    async with resources.db.session() as db:
        stored = (await db.execute(select(IdempotencyRecord.answer))).scalar_one()
    assert b"hello" not in stored


async def test_an_answer_of_a_lost_secret_is_a_conflict_and_no_defect(
    small_app: FastAPI, small: httpx2.AsyncClient, resources: Resources
) -> None:
    await small.post("/notes", json=BODY, headers=keyed())
    small_app.state.answer_box = AnswerBox("another secret")
    answer = await small.post("/notes", json=BODY, headers=keyed())
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_conflict")
    assert await effects(resources) == 1


async def test_a_deactivated_person_is_not_answered_again(api: httpx2.AsyncClient, resources: Resources) -> None:
    boss, ann = await principal(resources, Role.ADMIN), await register(resources)
    body = {"name": "browser", "scopes": ["tickets:read"]}
    headers = {**ann.headers, "Idempotency-Key": "k"}
    keys = "/api/v1/users/me/api-keys"
    first = await api.post(keys, json=body, headers=headers)
    assert (await api.post(keys, json=body, headers=headers)).json() == first.json()
    async with resources.db.unit_of_work() as db:
        await service.change(db, boss, ann.id, active=False)
    assert (await api.post(keys, json=body, headers=headers)).status_code == 401


async def test_an_api_key_without_the_scope_is_not_shown_a_stored_answer(
    api: httpx2.AsyncClient, resources: Resources
) -> None:
    ann = await register(resources)
    keys, body = "/api/v1/users/me/api-keys", {"name": "browser", "scopes": ["tickets:read"]}
    made = await api.post(keys, json=body, headers={**ann.headers, "Idempotency-Key": "k"})
    key = {"Authorization": f"Bearer {made.json()['key']}", "Idempotency-Key": "k"}
    assert (await api.post(keys, json=body, headers=key)).status_code == 403
