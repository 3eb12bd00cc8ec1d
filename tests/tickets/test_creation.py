"""Opening tickets."""

import json
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from app.core.resources import Resources
from app.models.outbox import OutboxRow
from app.models.ticket import Ticket
from tests.tickets.conftest import People

REPORT = {"title": "VPN is down", "description": "No tunnel since nine, error E-4012."}


async def test_a_report_becomes_an_open_general_ticket(api: httpx2.AsyncClient, people: People) -> None:
    answer = await api.post("/api/v1/tickets", json=REPORT, headers=people.customer.headers)
    assert answer.status_code == 201
    made = answer.json()
    assert answer.headers["Location"] == f"/api/v1/tickets/{made['id']}"
    assert answer.headers["ETag"] == '"1"'
    assert {name: made[name] for name in made if not name.endswith("_at")} == {
        **REPORT,
        "id": made["id"],
        "status": "open",
        "priority": "medium",
        "category": "general",
        "team": None,
        "tags": [],
        "confidence": None,
        "requester": {"id": people.customer.id, "username": "carla"},
        "assignee": None,
        "version": 1,
    }
    assert made["created_at"] == made["updated_at"]
    assert made["created_at"].endswith("Z")
    assert made["resolved_at"] is None
    read = await api.get(answer.headers["Location"], headers=people.customer.headers)
    assert read.json() == made
    assert read.headers["ETag"] == '"1"'


async def test_what_the_reporter_chose_is_kept_and_in_the_timeline(api: httpx2.AsyncClient, people: People) -> None:
    chosen = {"priority": "high", "category": "incident", "tags": ["vpn", "office", "vpn"]}
    made = (await api.post("/api/v1/tickets", json=REPORT | chosen, headers=people.customer.headers)).json()
    assert (made["priority"], made["category"], made["tags"]) == ("high", "incident", ["vpn", "office"])
    timeline = await api.get(f"/api/v1/tickets/{made['id']}/timeline", headers=people.customer.headers)
    (entry,) = timeline.json()
    assert entry["action"] == "created"
    assert entry["actor"] == {"id": people.customer.id, "username": "carla"}
    assert entry["changes"] == {
        "priority": [None, "high"],
        "category": [None, "incident"],
        "tags": [None, ["vpn", "office"]],
    }


@pytest.mark.parametrize(("category", "sought"), [(None, True), ("general", False)])
async def test_the_event_says_whether_a_category_is_to_be_found(
    api: httpx2.AsyncClient, people: People, resources: Resources, category: str | None, sought: bool
) -> None:
    made = (
        await api.post("/api/v1/tickets", json={**REPORT, "category": category}, headers=people.customer.headers)
    ).json()
    async with resources.db.session() as db:
        (event,) = (await db.execute(select(OutboxRow))).scalars().all()
    assert (event.type, event.aggregate) == ("ticket.created", f"ticket:{made['id']}")
    assert event.payload == {"ticket_id": made["id"], "requester_id": people.customer.id, "categorise": sought}


async def test_a_bad_report_is_refused_and_says_where(
    api: httpx2.AsyncClient, people: People, resources: Resources
) -> None:
    bad: list[tuple[dict[str, Any], list[str | int]]] = [
        ({"title": None}, ["body", "title"]),
        ({"title": "   "}, ["body", "title"]),
        ({"title": ""}, ["body", "title"]),
        ({"title": "x" * 301}, ["body", "title"]),
        ({"title": "a\x00b"}, ["body", "title"]),
        ({"title": 7}, ["body", "title"]),
        ({"description": "x" * 100_001}, ["body", "description"]),
        ({"priority": "urgent"}, ["body", "priority"]),
        ({"category": "Not A Slug"}, ["body", "category"]),
        ({"tags": "vpn"}, ["body", "tags"]),
        ({"tags": [" padded "]}, ["body", "tags", 0]),
        ({"tags": [f"t{number}" for number in range(21)]}, ["body", "tags"]),
        ({"team": "support"}, ["body", "team"]),
        ({"status": "closed"}, ["body", "status"]),
    ]
    for change, where in bad:
        answer = await api.post("/api/v1/tickets", json=REPORT | change, headers=people.customer.headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
        assert [error["location"] for error in answer.json()["errors"]] == [where]
    async with resources.db.session() as db:
        assert (await db.execute(select(Ticket.id))).all() == []


async def test_a_body_that_is_no_json_object_is_refused(api: httpx2.AsyncClient, people: People) -> None:
    headers = {**people.customer.headers, "Content-Type": "application/json"}
    half_a_pair = json.dumps(REPORT | {"description": "half \ud800 a pair"}).encode()
    for body in (b"", b"{", b"[]", b"null", b'{"title": "\xff"}', b"\xff\xfe", half_a_pair):
        answer = await api.post("/api/v1/tickets", content=body, headers=headers)
        assert answer.status_code in {400, 422}
        assert answer.headers["Content-Type"] == "application/problem+json"


async def test_nobody_reports_without_a_login(api: httpx2.AsyncClient) -> None:
    answer = await api.post("/api/v1/tickets", json=REPORT)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_a_repeated_key_opens_one_ticket(api: httpx2.AsyncClient, people: People, resources: Resources) -> None:
    headers = {**people.customer.headers, "Idempotency-Key": "report-1"}
    first = await api.post("/api/v1/tickets", json=REPORT, headers=headers)
    again = await api.post("/api/v1/tickets", json=REPORT, headers=headers)
    other = await api.post("/api/v1/tickets", json=REPORT | {"title": "Another"}, headers=headers)
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["ETag"] == '"1"'
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")
    async with resources.db.session() as db:
        assert len((await db.execute(select(Ticket.id))).all()) == 1
