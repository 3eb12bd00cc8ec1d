"""What is said on a ticket, and who hears it."""

from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from app.core.resources import Resources
from app.models.outbox import OutboxRow
from app.models.ticket import TicketStatus
from app.tickets import service
from app.tickets.schemas import TicketOut
from tests.factories.people import Person
from tests.factories.tickets import ticket
from tests.tickets.conftest import People


@pytest.fixture
async def made(resources: Resources, people: People) -> TicketOut:
    return await ticket(resources, people.customer.who)


async def say(api: httpx2.AsyncClient, who: Person, made: TicketOut, **comment: Any) -> httpx2.Response:
    return await api.post(f"/api/v1/tickets/{made.id}/comments", json=comment, headers=who.headers)


async def heard(api: httpx2.AsyncClient, who: Person, made: TicketOut) -> list[str]:
    answer = await api.get(f"/api/v1/tickets/{made.id}/comments", headers=who.headers)
    return [comment["body"] for comment in answer.json()]


async def move(resources: Resources, who: Person, made: TicketOut, status: TicketStatus) -> None:
    async with resources.db.unit_of_work() as db:
        await service.change_status(db, who.who, made.id, status=status)


async def test_a_comment_carries_its_author_and_is_told(
    api: httpx2.AsyncClient, people: People, made: TicketOut, resources: Resources
) -> None:
    answer = await say(api, people.agent, made, body="We are on it.")
    assert answer.status_code == 201
    said = answer.json()
    assert said == {
        "id": said["id"],
        "ticket_id": made.id,
        "author": {"id": people.agent.id, "username": "agnes"},
        "body": "We are on it.",
        "visibility": "public",
        "created_at": said["created_at"],
    }
    listed = await api.get(f"/api/v1/tickets/{made.id}/comments", headers=people.customer.headers)
    assert listed.json() == [said]
    async with resources.db.session() as db:
        row = (await db.execute(select(OutboxRow).order_by(OutboxRow.id.desc()))).scalars().first()
    assert row is not None
    assert (row.type, row.payload) == (
        "ticket.comment_added",
        {
            "ticket_id": made.id,
            "comment_id": said["id"],
            "author": "agnes",
            "content": "We are on it.",
            "internal": False,
            "timestamp": said["created_at"],
        },
    )


async def test_customers_neither_hear_nor_say_what_is_internal(
    api: httpx2.AsyncClient, people: People, made: TicketOut
) -> None:
    await say(api, people.customer, made, body="Hello?")
    inside = await say(api, people.agent, made, body="Known outage", visibility="internal")
    assert inside.status_code == 201
    assert await heard(api, people.agent, made) == ["Hello?", "Known outage"]
    assert await heard(api, people.customer, made) == ["Hello?"]
    refused = await say(api, people.customer, made, body="Psst", visibility="internal")
    assert (refused.status_code, refused.json()["code"]) == (403, "staff_only")
    address = f"/api/v1/tickets/{made.id}/timeline"
    entries = {
        who: [
            (entry["action"], entry["internal"])
            for entry in (await api.get(address, headers=getattr(people, who).headers)).json()
        ]
        for who in ("customer", "agent")
    }
    assert entries == {
        "customer": [("created", False), ("commented", False)],
        "agent": [("created", False), ("commented", False), ("commented", True)],
    }


async def test_comments_leave_the_version_but_public_ones_move_the_time(
    api: httpx2.AsyncClient, people: People, made: TicketOut
) -> None:
    async def read() -> dict[str, Any]:
        answer = await api.get(f"/api/v1/tickets/{made.id}", headers=people.agent.headers)
        return dict(answer.json())

    before = await read()
    await say(api, people.agent, made, body="Known outage", visibility="internal")
    assert await read() == before
    await say(api, people.agent, made, body="We are on it.")
    after = await read()
    assert (after["version"], after["status"]) == (1, "open")
    assert after["updated_at"] > before["updated_at"]


@pytest.mark.parametrize("status", [TicketStatus.PENDING, TicketStatus.RESOLVED])
async def test_the_customers_answer_opens_a_waiting_ticket(
    api: httpx2.AsyncClient, people: People, made: TicketOut, resources: Resources, status: TicketStatus
) -> None:
    await move(resources, people.agent, made, status)
    await say(api, people.agent, made, body="Does it work now?")
    waiting = (await api.get(f"/api/v1/tickets/{made.id}", headers=people.agent.headers)).json()
    assert waiting["status"] == status
    said = (await say(api, people.customer, made, body="No.")).json()
    opened = (await api.get(f"/api/v1/tickets/{made.id}", headers=people.agent.headers)).json()
    assert (opened["status"], opened["version"], opened["resolved_at"]) == ("open", 3, None)
    entries = (await api.get(f"/api/v1/tickets/{made.id}/timeline", headers=people.agent.headers)).json()
    assert entries[-1]["changes"] == {"comment_id": [None, said["id"]], "status": [status, "open"]}
    async with resources.db.session() as db:
        types = (await db.execute(select(OutboxRow.type).order_by(OutboxRow.id))).scalars().all()
    assert types[-2:] == ["ticket.comment_added", "ticket.status_changed"]


@pytest.mark.parametrize("who", ["customer", "agent"])
async def test_a_closed_ticket_refuses_a_comment(
    api: httpx2.AsyncClient, people: People, made: TicketOut, resources: Resources, who: str
) -> None:
    await move(resources, people.agent, made, TicketStatus.CLOSED)
    answer = await say(api, getattr(people, who), made, body="One more thing")
    assert (answer.status_code, answer.json()["code"]) == (409, "ticket_closed")
    assert await heard(api, people.agent, made) == []


async def test_a_stranger_finds_no_ticket_to_comment_on(
    api: httpx2.AsyncClient, people: People, made: TicketOut
) -> None:
    assert (await say(api, people.stranger, made, body="Me too")).json()["code"] == "ticket_not_found"
    answer = await api.get(f"/api/v1/tickets/{made.id}/comments", headers=people.stranger.headers)
    assert answer.json()["code"] == "ticket_not_found"


async def test_a_bad_comment_is_refused(api: httpx2.AsyncClient, people: People, made: TicketOut) -> None:
    bad: list[dict[str, Any]] = [
        {},
        {"body": ""},
        {"body": " \n"},
        {"body": "a\x00"},
        {"body": "x", "visibility": "secret"},
        {"body": 1},
    ]
    for comment in bad:
        answer = await say(api, people.customer, made, **comment)
        assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")


async def test_comments_are_paged_oldest_first(api: httpx2.AsyncClient, people: People, made: TicketOut) -> None:
    for number in range(3):
        await say(api, people.customer, made, body=f"Line {number}")
    first = await api.get(f"/api/v1/tickets/{made.id}/comments?limit=2", headers=people.customer.headers)
    rest = await api.get(first.links["next"]["url"], headers=people.customer.headers)
    assert [comment["body"] for comment in first.json()] == ["Line 0", "Line 1"]
    assert [comment["body"] for comment in rest.json()] == ["Line 2"]
    assert "next" not in rest.links


async def test_a_bad_page_is_refused(api: httpx2.AsyncClient, people: People, made: TicketOut) -> None:
    for query in ("limit=0", "limit=101", "cursor=x", "cursor=WyJpZCIsInRleHQiXQ", "page=2"):
        answer = await api.get(f"/api/v1/tickets/{made.id}/comments?{query}", headers=people.customer.headers)
        assert answer.status_code == 422
