"""Changing tickets: who may, against which version, and what it leaves behind."""

import asyncio
from typing import Any

import httpx2
import pytest
from sqlalchemy import select, update

from app.core.auth import Role
from app.core.resources import Resources
from app.models.outbox import OutboxRow
from app.models.ticket import Ticket, TicketStatus
from app.models.user import User
from app.tickets import service
from app.tickets.schemas import TicketOut
from tests.factories.people import Person, principal
from tests.factories.tickets import ticket
from tests.tickets.conftest import People

WHOLE = {
    "title": "VPN is down",
    "description": "No tunnel since nine, error E-4012.",
    "status": "open",
    "priority": "medium",
    "category": "general",
}


@pytest.fixture
async def made(resources: Resources, people: People) -> TicketOut:
    return await ticket(resources, people.customer.who)


async def patch(
    api: httpx2.AsyncClient, who: Person, made: TicketOut, change: Any, if_match: str | None = None
) -> httpx2.Response:
    headers = who.headers | ({"If-Match": if_match} if if_match else {})
    return await api.patch(f"/api/v1/tickets/{made.id}", json=change, headers=headers)


async def events(resources: Resources) -> list[tuple[str, dict[str, Any]]]:
    """Those after the creation's."""
    async with resources.db.session() as db:
        rows = (await db.execute(select(OutboxRow).order_by(OutboxRow.id))).scalars().all()
    return [(row.type, row.payload) for row in rows if row.type != "ticket.created"]


async def timeline(api: httpx2.AsyncClient, who: Person, made: TicketOut) -> list[dict[str, Any]]:
    return list((await api.get(f"/api/v1/tickets/{made.id}/timeline", headers=who.headers)).json())


async def test_an_edit_is_a_version_an_entry_and_events(
    api: httpx2.AsyncClient, people: People, made: TicketOut, resources: Resources
) -> None:
    change = {
        "title": "VPN drops",
        "status": "in_progress",
        "assignee_id": people.agent.id,
        "team": "operations",
        "tags": ["vpn"],
        "priority": "medium",
    }
    answer = await patch(api, people.supervisor, made, change)
    assert answer.status_code == 200
    assert answer.headers["ETag"] == '"2"'
    edited = answer.json()
    assert edited["assignee"] == {"id": people.agent.id, "username": "agnes"}
    assert edited["requester"] == {"id": people.customer.id, "username": "carla"}
    assert (edited["title"], edited["status"], edited["team"], edited["tags"]) == (
        "VPN drops",
        "in_progress",
        "operations",
        ["vpn"],
    )
    assert edited["updated_at"] > edited["created_at"]
    read = await api.get(f"/api/v1/tickets/{made.id}", headers=people.customer.headers)
    assert read.json() == edited
    entry = (await timeline(api, people.customer, made))[-1]
    assert (entry["action"], entry["version"], entry["actor"]["username"]) == ("updated", 2, "susan")
    assert entry["changes"] == {
        "title": ["VPN is down", "VPN drops"],
        "status": ["open", "in_progress"],
        "assignee_id": [None, people.agent.id],
        "team": [None, "operations"],
        "tags": [[], ["vpn"]],
    }
    at = edited["updated_at"]
    assert await events(resources) == [
        (
            "ticket.updated",
            {
                "ticket_id": made.id,
                "version": 2,
                "fields": ["title", "team", "tags"],
                "changes": {"title": "VPN drops", "team": "operations", "tags": ["vpn"]},
                "updated_by": "susan",
                "timestamp": at,
            },
        ),
        (
            "ticket.status_changed",
            {
                "ticket_id": made.id,
                "status": "in_progress",
                "previous": "open",
                "updated_by": "susan",
                "timestamp": at,
            },
        ),
        (
            "ticket.assigned",
            {"ticket_id": made.id, "assigned_to": "agnes", "assigned_by": "susan", "timestamp": at},
        ),
    ]


async def test_null_clears_what_can_be_cleared(api: httpx2.AsyncClient, people: People, made: TicketOut) -> None:
    await patch(api, people.agent, made, {"team": "support", "tags": ["a"], "assignee_id": people.agent.id})
    cleared = await patch(api, people.agent, made, {"team": None, "tags": None, "assignee_id": None})
    assert (cleared.json()["team"], cleared.json()["tags"], cleared.json()["assignee"]) == (None, [], None)
    assert [entry["action"] for entry in await timeline(api, people.agent, made)] == ["created", "updated", "updated"]


async def test_an_edit_that_changes_nothing_leaves_nothing_behind(
    api: httpx2.AsyncClient, people: People, made: TicketOut, resources: Resources
) -> None:
    for change in ({}, {"title": made.title, "tags": None}):
        answer = await patch(api, people.agent, made, change)
        assert (answer.status_code, answer.json()["version"]) == (200, 1)
    assert await events(resources) == []
    assert len(await timeline(api, people.agent, made)) == 1


async def test_a_bad_edit_is_refused(api: httpx2.AsyncClient, people: People, made: TicketOut) -> None:
    bad: list[Any] = [
        {"title": None},
        {"description": None},
        {"status": None},
        {"priority": None},
        {"category": None},
        {"status": "done"},
        {"priority": "urgent"},
        {"title": " "},
        {"version": 7},
        {"requester": {"id": 1}},
        {"assignee_id": 0},
        {"assignee_id": 2**63},
        {"assignee_id": "agnes"},
        {"tags": [None]},
        {"team": "No Team"},
        [],
        "text",
    ]
    for change in bad:
        answer = await patch(api, people.agent, made, change)
        assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed"), change


async def test_merge_patch_has_a_content_type_of_its_own(
    api: httpx2.AsyncClient, people: People, made: TicketOut
) -> None:
    headers = {**people.agent.headers, "Content-Type": "application/merge-patch+json"}
    answer = await api.patch(f"/api/v1/tickets/{made.id}", content=b'{"priority": "high"}', headers=headers)
    assert (answer.status_code, answer.json()["priority"]) == (200, "high")


async def test_put_replaces_the_whole(api: httpx2.AsyncClient, people: People, made: TicketOut) -> None:
    await patch(api, people.agent, made, {"team": "support", "tags": ["a"], "assignee_id": people.agent.id})
    whole = WHOLE | {"priority": "critical", "category": "incident"}
    answer = await api.put(f"/api/v1/tickets/{made.id}", json=whole, headers=people.agent.headers)
    assert answer.status_code == 200
    assert answer.headers["ETag"] == '"3"'
    replaced = answer.json()
    assert (replaced["priority"], replaced["category"], replaced["team"]) == ("critical", "incident", None)
    assert (replaced["tags"], replaced["assignee"]) == ([], None)


async def test_put_wants_the_whole(api: httpx2.AsyncClient, people: People, made: TicketOut) -> None:
    for missing in WHOLE:
        part = {name: value for name, value in WHOLE.items() if name != missing}
        answer = await api.put(f"/api/v1/tickets/{made.id}", json=part, headers=people.agent.headers)
        assert (answer.status_code, answer.json()["errors"][0]["location"]) == (422, ["body", missing])


async def test_a_customer_corrects_their_own_words(api: httpx2.AsyncClient, people: People, made: TicketOut) -> None:
    answer = await patch(api, people.customer, made, {"title": "VPN", "description": "Down again", "tags": ["vpn"]})
    assert (answer.status_code, answer.json()["title"], answer.json()["version"]) == (200, "VPN", 2)


async def test_a_customer_does_not_do_the_desks_part(api: httpx2.AsyncClient, people: People, made: TicketOut) -> None:
    for name, value in (("team", "support"), ("assignee_id", None), ("category", "bug"), ("priority", "high")):
        answer = await patch(api, people.customer, made, {name: value})
        assert (answer.status_code, answer.json()["code"]) == (403, "staff_only")
        assert name in answer.json()["detail"]
    for status in ("in_progress", "pending"):
        answer = await patch(api, people.customer, made, {"status": status})
        assert (answer.status_code, answer.json()["code"]) == (403, "staff_only")


async def test_a_customer_may_replace_with_the_desks_part_as_it_is(
    api: httpx2.AsyncClient, people: People, made: TicketOut
) -> None:
    address = f"/api/v1/tickets/{made.id}"
    same = await api.put(address, json=WHOLE | {"title": "VPN"}, headers=people.customer.headers)
    assert (same.status_code, same.json()["title"]) == (200, "VPN")
    other = await api.put(address, json=WHOLE | {"priority": "high"}, headers=people.customer.headers)
    assert (other.status_code, other.json()["code"]) == (403, "staff_only")


async def test_another_customers_ticket_does_not_exist(
    api: httpx2.AsyncClient, people: People, made: TicketOut
) -> None:
    for method, body in (("GET", None), ("PATCH", {"title": "Mine"}), ("PUT", WHOLE), ("DELETE", None)):
        address = f"/api/v1/tickets/{made.id}"
        answer = await api.request(method, address, json=body, headers=people.stranger.headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "ticket_not_found"), method


async def test_a_number_that_no_ticket_has_is_not_found(api: httpx2.AsyncClient, people: People) -> None:
    for number in (0, -1, 7, 2**63, 10**30):
        for method in ("GET", "PATCH", "DELETE"):
            body = {"title": "New"} if method == "PATCH" else None
            answer = await api.request(method, f"/api/v1/tickets/{number}", json=body, headers=people.admin.headers)
            assert (answer.status_code, answer.json()["code"]) == (404, "ticket_not_found"), (method, number)


async def test_the_customer_ends_and_reopens(api: httpx2.AsyncClient, people: People, made: TicketOut) -> None:
    resolved = await patch(api, people.customer, made, {"status": "resolved"})
    assert resolved.json()["resolved_at"] is not None
    reopened = await patch(api, people.customer, made, {"status": "open"})
    assert (reopened.json()["status"], reopened.json()["resolved_at"]) == ("open", None)
    closed = await patch(api, people.customer, made, {"status": "closed"})
    assert closed.json()["status"] == "closed"
    assert [entry["action"] for entry in await timeline(api, people.customer, made)][1:] == ["status_changed"] * 3


async def test_a_closed_ticket_stays_as_its_customer_left_it(
    api: httpx2.AsyncClient, people: People, made: TicketOut
) -> None:
    await patch(api, people.customer, made, {"status": "closed"})
    for change in ({"title": "More"}, {"status": "open"}):
        answer = await patch(api, people.customer, made, change)
        assert (answer.status_code, answer.json()["code"]) == (409, "ticket_closed")
    filed = await patch(api, people.agent, made, {"category": "incident"})
    assert (filed.status_code, filed.json()["category"]) == (200, "incident")


@pytest.mark.parametrize(("first", "then"), [("closed", "open"), ("closed", "resolved"), ("resolved", "pending")])
async def test_an_impossible_transition_is_refused(
    api: httpx2.AsyncClient, people: People, made: TicketOut, first: str, then: str
) -> None:
    await patch(api, people.agent, made, {"status": first})
    answer = await patch(api, people.agent, made, {"status": then})
    assert (answer.status_code, answer.json()["code"]) == (409, "impossible_transition")
    assert first in answer.json()["detail"]


async def test_only_active_staff_are_assigned(
    api: httpx2.AsyncClient, people: People, made: TicketOut, resources: Resources
) -> None:
    gone = await principal(resources, Role.AGENT)
    async with resources.db.unit_of_work() as db:
        await db.execute(update(User).where(User.id == gone.user_id).values(active=False))
    for user_id in (people.customer.id, gone.user_id, 4711):
        answer = await patch(api, people.agent, made, {"assignee_id": user_id})
        assert (answer.status_code, answer.json()["code"]) == (422, "assignee_invalid")


async def test_assigning_has_verbs_of_its_own(resources: Resources, people: People, made: TicketOut) -> None:
    async with resources.db.unit_of_work() as db:
        given = await service.assign(db, people.agent.who, made.id, assignee_id=people.admin.id)
        begun = await service.change_status(db, people.agent.who, made.id, status=TicketStatus.PENDING)
        taken = await service.assign(db, people.agent.who, made.id, assignee_id=None)
    assert given.assignee is not None
    assert (given.assignee.username, begun.status, taken.assignee, taken.version) == ("adam", "pending", None, 4)
    assert [payload["assigned_to"] for kind, payload in await events(resources) if kind == "ticket.assigned"] == [
        "adam",
        None,
    ]


async def test_an_edit_of_an_old_version_is_told_what_differs(
    api: httpx2.AsyncClient, people: People, made: TicketOut
) -> None:
    await patch(api, people.agent, made, {"title": "Theirs", "priority": "high"}, '"1"')
    stale = await patch(api, people.supervisor, made, {"title": "Mine", "team": None}, '"1"')
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
    assert (stale.json()["current"], stale.json()["version"]) == ({"title": "Theirs"}, 2)
    assert stale.headers["ETag"] == '"2"'
    fresh = await patch(api, people.supervisor, made, {"title": "Mine"}, '"7", W/"2"')
    assert (fresh.status_code, fresh.headers["ETag"]) == (200, '"3"')
    anything = await patch(api, people.supervisor, made, {"title": "Ours"}, "*")
    assert anything.status_code == 200


async def test_of_two_edits_of_one_version_one_wins(api: httpx2.AsyncClient, people: People, made: TicketOut) -> None:
    answers = await asyncio.gather(
        *(patch(api, people.agent, made, {"title": f"Edit {number}"}, '"1"') for number in range(5))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412]
    winner = next(answer.json()["title"] for answer in answers if answer.status_code == 200)
    assert {answer.json()["current"]["title"] for answer in answers if answer.status_code == 412} == {winner}
    assert [entry["version"] for entry in await timeline(api, people.agent, made)] == [1, 2]


async def test_edits_without_a_version_follow_one_another(
    api: httpx2.AsyncClient, people: People, made: TicketOut
) -> None:
    answers = await asyncio.gather(
        *(patch(api, people.agent, made, {"title": f"Edit {number}"}) for number in range(5))
    )
    assert sorted(answer.json()["version"] for answer in answers) == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("role", ["supervisor", "admin"])
async def test_a_deleted_ticket_is_gone_for_all_but_stays_in_the_table(
    api: httpx2.AsyncClient, people: People, made: TicketOut, resources: Resources, role: str
) -> None:
    address = f"/api/v1/tickets/{made.id}"
    who: Person = getattr(people, role)
    stale = await api.delete(address, headers={**who.headers, "If-Match": '"9"'})
    assert stale.status_code == 412
    answer = await api.delete(address, headers={**who.headers, "If-Match": '"1"'})
    assert (answer.status_code, answer.content) == (204, b"")
    for path in ("", "/comments", "/timeline", "/similar"):
        assert (await api.get(address + path, headers=people.admin.headers)).status_code == 404
    assert (await api.get("/api/v1/tickets", headers=people.admin.headers)).json() == []
    assert (await api.delete(address, headers=who.headers)).status_code == 404
    assert [kind for kind, _ in await events(resources)] == ["ticket.deleted"]
    async with resources.db.session() as db:
        row = (await db.execute(select(Ticket))).scalar_one()
    assert row.deleted_at is not None
    assert row.version == 2


@pytest.mark.parametrize("role", ["customer", "agent"])
async def test_only_supervisors_delete(api: httpx2.AsyncClient, people: People, made: TicketOut, role: str) -> None:
    answer = await api.delete(f"/api/v1/tickets/{made.id}", headers=getattr(people, role).headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "supervisor_only")


async def test_the_timeline_is_paged(api: httpx2.AsyncClient, people: People, made: TicketOut) -> None:
    for number in range(4):
        await patch(api, people.agent, made, {"title": f"Edit {number}"})
    address: str | None = f"/api/v1/tickets/{made.id}/timeline?limit=2"
    versions = []
    while address is not None:
        answer = await api.get(address, headers=people.customer.headers)
        versions.append([entry["version"] for entry in answer.json()])
        address = answer.links["next"]["url"] if "next" in answer.links else None
    assert versions == [[1, 2], [3, 4], [5]]
