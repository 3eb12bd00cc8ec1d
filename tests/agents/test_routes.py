import asyncio
import json
import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select, update

from app.agents import service
from app.ai_config import service as ai_config
from app.ai_config.catalogue import AgentType
from app.core.auth import Role
from app.core.clock import now
from app.core.redis import connect
from app.core.resources import Resources
from app.models.agent import AgentRun
from app.models.file import ProcessingStatus
from app.providers import service as providers
from tests.agents.running import ask, tickets_there_are
from tests.factories.people import Person, register
from tests.factories.recognised import add_file, finish_file
from tests.factories.runs import working

CREATE = "/api/v1/agent/create-ticket"
REPORT = (
    "The checkout fails with error ERR_PAYMENT_504 since the update to version 4.2.1. "
    "Nobody in our shop can pay any more. https://shop.example.com/checkout"
)
ASYNC = {"Prefer": "respond-async"}


async def test_a_report_with_files_becomes_a_ticket_with_its_evidence(
    staffed: Resources, api: httpx2.AsyncClient, ada: Person
) -> None:
    picture = await add_file(staffed, ada.who, text="Gateway timeout ERR_GATEWAY_504 at pay.example.com")
    voice = await add_file(
        staffed,
        ada.who,
        filename="note.wav",
        file_type="audio/wav",
        text="our customers cannot pay since this morning",
        confidence=0.4,
        analysis_type="transcription",
    )
    body = {"user_input": REPORT, "files": [str(picture), str(voice)]}
    answer = await api.post(CREATE, json=body, headers=ada.headers)
    assert answer.status_code == 201, answer.text
    found = answer.json()
    assert set(found) == {
        "run_id",
        "ticket_id",
        "title",
        "description",
        "category",
        "priority",
        "team",
        "tags",
        "confidence",
        "file_analysis_summary",
        "recommended_integration",
        "next_actions",
        "evidence",
    }
    quotes = {(item["source"], item["filename"]): item["quote"] for item in found["evidence"]}
    assert "ERR_GATEWAY_504" in quotes["ocr", "screenshot.png"]
    assert ("text", None) in quotes
    ticket = (await api.get(f"/api/v1/tickets/{found['ticket_id']}", headers=ada.headers)).json()
    for name in ("title", "description", "category", "priority", "team", "tags", "confidence"):
        assert ticket[name] == found[name]
    assert (ticket["requester"]["id"], ticket["status"]) == (ada.id, "open")
    run = (await api.get(answer.headers["Location"], headers=ada.headers)).json()
    assert (run["run_id"], run["status"], run["operation"]) == (found["run_id"], "completed", "create_ticket")
    tools = [call["tool"] for call in run["tool_calls"]]
    assert tools.count("analyze_file") == 2
    assert tools[-1] == "create_ticket"
    files = (await api.get("/api/v1/files", params={"ticket_id": ticket["id"]}, headers=ada.headers)).json()
    assert {file["id"] for file in files} == {str(picture), str(voice)}


async def test_a_report_is_categorised_without_a_ticket(
    staffed: Resources, api: httpx2.AsyncClient, ada: Person
) -> None:
    body = {"description": REPORT, "title": "Checkout fails"}
    answer = await api.post("/api/v1/agent/categorize", json=body, headers=ada.headers)
    assert answer.status_code == 200
    found = answer.json()
    assert set(found) == {"run_id", "category", "priority", "team", "confidence", "reasoning", "alternatives"}
    assert await tickets_there_are(staffed) == 0
    direct = (await api.post("/api/v1/tickets/categorize", json=body, headers=ada.headers)).json()
    assert (found["category"], found["priority"], found["team"]) == (
        direct["category"],
        direct["priority"],
        direct["team"],
    )
    answer = await api.post("/api/v1/agent/categorize", json={"description": "How do I log in?"}, headers=ada.headers)
    assert answer.json()["category"] == "how_to"


async def test_files_are_analysed_in_the_order_asked_for(
    staffed: Resources, api: httpx2.AsyncClient, ada: Person
) -> None:
    log = await add_file(
        staffed, ada.who, filename="a.log", file_type="text/plain", text="x" * 150_000, analysis_type="text"
    )
    bad = await add_file(
        staffed, ada.who, status=ProcessingStatus.QUARANTINED, text=None, confidence=None, analysis_type=None
    )
    body = {"files": [str(bad), str(log), str(bad)]}
    answer = await api.post("/api/v1/agent/analyze-files", json=body, headers=ada.headers)
    assert answer.status_code == 200
    first, second = answer.json()
    assert (first["file_id"], first["processing_status"], first["extracted_text"]) == (str(bad), "quarantined", None)
    assert (second["analysis_type"], second["confidence"]) == ("text", 0.93)
    assert len(second["extracted_text"]) == 100_000
    assert (second["metadata"]["truncated"], second["metadata"]["width"]) == (True, 1000)


async def test_respond_async_is_202_with_a_place_to_look(
    staffed: Resources, api: httpx2.AsyncClient, ada: Person
) -> None:
    answer = await api.post(CREATE, json={"user_input": REPORT}, headers={**ada.headers, **ASYNC})
    assert answer.status_code == 202
    assert answer.headers["Preference-Applied"] == "respond-async"
    assert answer.headers["Location"] == f"/api/v1/agent/runs/{answer.json()['run_id']}"
    await service.wait(staffed, uuid.UUID(answer.json()["run_id"]), seconds=30)
    run = (await api.get(answer.headers["Location"], headers=ada.headers)).json()
    assert run["status"] == "completed"
    assert run["ticket_id"] == run["result"]["ticket_id"]


async def test_a_wait_that_runs_out_is_202_and_the_files_wake_the_run_later(
    staffed: Resources, api: httpx2.AsyncClient, ada: Person
) -> None:
    file_id = await add_file(staffed, ada.who, status=ProcessingStatus.PENDING)
    headers = {**ada.headers, "Prefer": "wait=1", "Idempotency-Key": "slow"}
    body = {"files": [str(file_id)]}
    answer = await api.post("/api/v1/agent/analyze-files", json=body, headers=headers)
    assert (answer.status_code, answer.json()["status"]) == (202, "waiting_for_files")
    assert answer.headers["Preference-Applied"] == "wait=1"
    await finish_file(staffed, file_id)
    answer = await api.post(
        "/api/v1/agent/analyze-files", json=body, headers={**ada.headers, "Idempotency-Key": "slow"}
    )
    assert (answer.status_code, answer.headers["Idempotency-Replayed"]) == (200, "true")
    assert answer.json()[0]["extracted_text"] == "ERR_PAYMENT_504"


async def test_the_same_key_and_body_is_the_same_run(
    staffed: Resources, api: httpx2.AsyncClient, ada: Person, ben: Person
) -> None:
    headers = {**ada.headers, "Idempotency-Key": "k-1"}
    first = await api.post(CREATE, json={"user_input": REPORT}, headers=headers)
    again = await api.post(CREATE, json={"user_input": REPORT}, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    other = await api.post(CREATE, json={"user_input": "Something else"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")
    foreign = await api.post(
        CREATE, json={"user_input": REPORT}, headers={**ben.headers, "Idempotency-Key": "k-1", **ASYNC}
    )
    assert foreign.json()["run_id"] != first.json()["run_id"]
    assert await tickets_there_are(staffed) >= 1


async def test_the_same_key_at_the_same_time_is_one_run(
    equipped: Resources, app: FastAPI, api: httpx2.AsyncClient, ada: Person
) -> None:
    headers = {**ada.headers, **ASYNC, "Idempotency-Key": "k-2"}
    answers = await asyncio.gather(*(api.post(CREATE, json={"user_input": REPORT}, headers=headers) for _ in range(5)))
    assert [answer.status_code for answer in answers] == [202] * 5
    assert len({answer.json()["run_id"] for answer in answers}) == 1
    assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 4
    async with equipped.db.session() as db:
        assert (await db.execute(select(func.count()).select_from(AgentRun))).scalar_one() == 1


async def test_a_key_is_forgotten_after_a_day(equipped: Resources, api: httpx2.AsyncClient, ada: Person) -> None:
    headers = {**ada.headers, **ASYNC, "Idempotency-Key": "k-3"}
    first = await api.post(CREATE, json={"user_input": REPORT}, headers=headers)
    async with equipped.db.unit_of_work() as db:
        await db.execute(update(AgentRun).values(created_at=now() - timedelta(hours=25)))
    later = await api.post(CREATE, json={"user_input": "Something else"}, headers=headers)
    assert later.status_code == 202
    assert later.json()["run_id"] != first.json()["run_id"]


async def test_a_run_that_failed_is_told_as_a_problem(staffed: Resources, api: httpx2.AsyncClient, ada: Person) -> None:
    admin = await register(staffed, Role.ADMIN)
    async with staffed.db.unit_of_work() as db:
        values = {"model": "openai:gpt-5"}
        await ai_config.update(db, admin.who, AgentType.CATEGORIZATION, values=values)
        await providers.PLATFORM.update(db, admin.who, values={"fallbacks": {}})
    answer = await api.post("/api/v1/agent/categorize", json={"description": "x"}, headers=ada.headers)
    assert (answer.status_code, answer.json()["code"]) == (502, "agent_run_failed")
    assert "OPENAI_API_KEY" in answer.json()["reason"]
    assert answer.headers["Location"].endswith(answer.json()["run_id"])


async def test_a_run_is_its_owners_and_the_staffs(equipped: Resources, api: httpx2.AsyncClient, ada: Person) -> None:
    run = await ask(equipped, ada)
    ben, agent = await register(equipped), await register(equipped, Role.AGENT)
    path = f"/api/v1/agent/runs/{run.id}"
    assert [(await api.get(path, headers=one.headers)).status_code for one in (ada, ben, agent)] == [200, 404, 200]
    assert (await api.get(path)).status_code == 401
    answer = await api.get(f"/api/v1/agent/runs/{uuid.uuid4()}", headers=ada.headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "run_not_found")
    assert (await api.get("/api/v1/agent/runs/1", headers=ada.headers)).status_code == 422


async def test_somebody_elses_file_is_not_there(
    equipped: Resources, api: httpx2.AsyncClient, ada: Person, ben: Person
) -> None:
    foreign = str(await add_file(equipped, ben.who))
    for file_id in (foreign, str(uuid.uuid4())):
        for path, body in ((CREATE, {"user_input": "x"}), ("/api/v1/agent/analyze-files", {})):
            answer = await api.post(path, json={**body, "files": [file_id]}, headers={**ada.headers, **ASYNC})
            assert (answer.status_code, answer.json()["code"]) == (404, "file_not_found")
    async with equipped.db.session() as db:
        assert (await db.execute(select(func.count()).select_from(AgentRun))).scalar_one() == 0


DEEP: dict[str, Any] = {}
for _ in range(40):
    DEEP = {"a": DEEP}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"user_input": ""},
        {"user_input": "   "},
        {"user_input": "a\x00b"},
        {"user_input": "x" * 100_001},
        {"user_input": 7},
        {"user_input": "x", "colour": "green"},
        {"user_input": "x", "files": ["no-uuid"]},
        {"user_input": "x", "files": [str(uuid.UUID(int=number)) for number in range(21)]},
        {"user_input": "x", "page_context": []},
        {"user_input": "x", "page_context": {"a": "b\x00"}},
        {"user_input": "x", "page_context": {"a\x00": 1}},
        {"user_input": "x", "page_context": {"a": float("nan")}},
        {"user_input": "x", "page_context": {"a": [1e400]}},
        {"user_input": "x", "page_context": DEEP},
        {"user_input": "x", "page_context": {"a": "x" * 100_001}},
        {"user_input": "x", "page_context": {"a": [1] * 5001}},
        {"user_input": "x", "conversation_history": [{"role": "hacker", "content": "x"}]},
        {"user_input": "x", "conversation_history": [{"role": "user", "content": "x"}] * 101},
        {"user_input": "x", "integration": "Not A Slug"},
    ],
    ids=lambda body: json.dumps(body)[:60],
)
async def test_a_bad_report_is_refused(
    api: httpx2.AsyncClient, equipped: Resources, ada: Person, body: dict[str, Any]
) -> None:
    headers = {**ada.headers, **ASYNC, "Content-Type": "application/json"}
    answer = await api.post(CREATE, content=json.dumps(body), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")


async def test_half_a_character_is_refused(api: httpx2.AsyncClient, equipped: Resources, ada: Person) -> None:
    headers = {**ada.headers, **ASYNC, "Content-Type": "application/json"}
    for body in (r'{"user_input": "\ud800"}', r'{"user_input": "x", "page_context": {"a": "\udfff"}}'):
        assert (await api.post(CREATE, content=body, headers=headers)).status_code == 422


async def test_any_other_json_is_welcome_as_context(equipped: Resources, api: httpx2.AsyncClient, ada: Person) -> None:
    context = {"url": "https://x.example", "n": 10**30, "f": 1.5, "list": [True, None, {"ü": "€"}]}
    body = {"user_input": "x", "page_context": context}
    answer = await api.post(CREATE, json=body, headers={**ada.headers, **ASYNC})
    assert answer.status_code == 202
    async with equipped.db.session() as db:
        kept = (await db.execute(select(AgentRun.request))).scalar_one()
    assert kept["page_context"] == context


async def test_without_a_login_nothing_runs(api: httpx2.AsyncClient) -> None:
    for path in (CREATE, "/api/v1/agent/categorize", "/api/v1/agent/analyze-files"):
        assert (await api.post(path, json={"user_input": "x"})).status_code == 401


async def test_a_run_is_waited_for_while_redis_is_away(equipped: Resources, ada: Person) -> None:
    """Nobody can tell; the database is asked now and then."""
    deaf = replace(equipped, redis=connect("redis://127.0.0.1:9"))
    run = await ask(equipped, ada)
    async with working(equipped):
        ended = await service.wait(deaf, run.id, seconds=30)
    assert ended.status == "completed"
    await deaf.redis.aclose()


async def test_redis_may_leave_while_a_run_is_waited_for(equipped: Resources, ada: Person, app: FastAPI) -> None:
    run = await ask(equipped, ada)
    waiting = asyncio.create_task(service.wait(equipped, run.id, seconds=30))
    await asyncio.sleep(0.1)
    await equipped.redis.client_kill_filter(_type="pubsub")
    async with working(equipped):
        assert (await waiting).status == "completed"
