"""Lists of tickets: filters, search, order and pages."""

import base64
import json
from typing import Any

import httpx2
import pytest

from app.core.resources import Resources
from app.core.settings import Settings
from app.main import create_app
from app.models.ticket import Priority, TicketStatus
from app.tickets import service
from app.tickets.schemas import TicketOut
from tests.factories.people import Person
from tests.factories.tickets import ticket
from tests.tickets.conftest import People

LIST = "/api/v1/tickets"


async def titles(api: httpx2.AsyncClient, who: Person, **query: Any) -> list[str]:
    answer = await api.get(LIST, params=query, headers=who.headers)
    assert answer.status_code == 200, answer.text
    return [one["title"] for one in answer.json()]


@pytest.fixture
async def desk(resources: Resources, people: People) -> dict[str, TicketOut]:
    """Four tickets, oldest first: vpn, bill, slow of the customer, and key of the stranger."""
    carla, sam = people.customer.who, people.stranger.who
    made = {
        "vpn": await ticket(resources, carla, title="vpn", priority=Priority.HIGH, category="incident", tags=["a"]),
        "bill": await ticket(resources, carla, title="bill", description="Charged twice", category="billing"),
        "slow": await ticket(resources, carla, title="slow", priority=Priority.LOW, tags=["a", "b"], team="operations"),
        "key": await ticket(
            resources, sam, title="key", priority=Priority.CRITICAL, description="Key AB-77 is refused"
        ),
    }
    async with resources.db.unit_of_work() as db:
        await service.assign(db, people.agent.who, made["vpn"].id, assignee_id=people.agent.id)
        await service.change_status(db, people.agent.who, made["bill"].id, status=TicketStatus.PENDING)
    return made


async def test_staff_see_all_and_customers_their_own(
    api: httpx2.AsyncClient, people: People, desk: dict[str, TicketOut]
) -> None:
    assert await titles(api, people.agent) == ["key", "slow", "bill", "vpn"]
    assert await titles(api, people.customer) == ["slow", "bill", "vpn"]
    assert await titles(api, people.stranger) == ["key"]
    assert await titles(api, people.customer, requester="sam") == []
    answer = await api.get(LIST, headers=people.agent.headers)
    assert answer.json()[3]["assignee"] == {"id": people.agent.id, "username": "agnes"}
    assert answer.json()[0]["requester"] == {"id": people.stranger.id, "username": "sam"}


async def test_filters_are_joined(api: httpx2.AsyncClient, people: People, desk: dict[str, TicketOut]) -> None:
    between = {
        "created_after": desk["vpn"].created_at.isoformat(),
        "created_before": desk["slow"].created_at.isoformat(),
    }
    for query, expected in (
        ({"status": "pending"}, ["bill"]),
        ({"status": ["pending", "open"]}, ["key", "slow", "bill", "vpn"]),
        ({"priority": ["high", "critical"]}, ["key", "vpn"]),
        ({"category": "billing"}, ["bill"]),
        ({"category": ["billing", "incident"], "status": "open"}, ["vpn"]),
        ({"team": "operations"}, ["slow"]),
        ({"tag": "a"}, ["slow", "vpn"]),
        ({"tag": ["a", "b"]}, ["slow"]),
        ({"assignee": "me"}, ["vpn"]),
        ({"assignee": "Agnes"}, ["vpn"]),
        ({"assignee": people.agent.id}, ["vpn"]),
        ({"assignee": "none"}, ["key", "slow", "bill"]),
        ({"assignee": "nobody"}, []),
        ({"assignee": str(10**30)}, []),
        ({"requester": "sam"}, ["key"]),
        ({"requester": people.stranger.id}, ["key"]),
        ({"requester": "me"}, []),
        ({"requester": "none"}, []),
        (between, ["bill"]),
    ):
        assert await titles(api, people.agent, **query) == expected, query


async def test_words_and_numbers_are_found(api: httpx2.AsyncClient, people: People, desk: dict[str, TicketOut]) -> None:
    for words, expected in (
        ("charged", ["bill"]),
        ("CHARGED twice", ["bill"]),
        ('"charged twice"', ["bill"]),
        ('"twice charged"', []),
        ("tunnel -slow", ["vpn"]),
        ("charged or refused", ["key", "bill"]),
        ("E-4012", ["slow", "vpn"]),
        ("AB-77", ["key"]),
        (f"#{desk['slow'].id}", ["slow"]),
        (f" #{desk['slow'].id} ", ["slow"]),
        ("#9999999999999999999", []),
        ("#99999999999999999999999", []),
        ("  ", ["key", "slow", "bill", "vpn"]),
        ("'; DROP TABLE tickets --", []),
        ("& | ! ( ) <-> :* \\ '", []),
        ("\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"), []),
    ):
        assert await titles(api, people.agent, q=words) == expected, words
    assert await titles(api, people.customer, q=f"#{desk['key'].id}") == []


async def test_every_order_goes_both_ways(api: httpx2.AsyncClient, people: People, desk: dict[str, TicketOut]) -> None:
    for key, expected in (
        ("id", ["vpn", "bill", "slow", "key"]),
        ("created_at", ["vpn", "bill", "slow", "key"]),
        ("updated_at", ["slow", "key", "vpn", "bill"]),
        ("priority", ["slow", "bill", "vpn", "key"]),
        ("status", ["vpn", "slow", "key", "bill"]),
    ):
        assert await titles(api, people.agent, sort=key) == expected, key
        assert await titles(api, people.agent, sort=f"-{key}") == expected[::-1], key


async def test_pages_neither_skip_nor_repeat_in_any_order(
    api: httpx2.AsyncClient, people: People, desk: dict[str, TicketOut]
) -> None:
    for key in ("id", "created_at", "updated_at", "priority", "status"):
        for sort in (key, f"-{key}"):
            whole = await titles(api, people.agent, sort=sort)
            paged: list[str] = []
            address: str | None = f"{LIST}?sort={sort}&limit=1&status=open&status=pending"
            while address is not None:
                answer = await api.get(address, headers=people.agent.headers)
                paged += [one["title"] for one in answer.json()]
                address = answer.links["next"]["url"] if "next" in answer.links else None
            assert paged == whole, sort


async def test_tickets_that_arrive_between_pages_move_nothing(
    api: httpx2.AsyncClient, people: People, resources: Resources, desk: dict[str, TicketOut]
) -> None:
    first = await api.get(f"{LIST}?limit=2", headers=people.agent.headers)
    await ticket(resources, people.customer.who, title="new")
    second = await api.get(first.links["next"]["url"], headers=people.agent.headers)
    assert [one["title"] for one in first.json()] == ["key", "slow"]
    assert [one["title"] for one in second.json()] == ["bill", "vpn"]
    assert "next" not in second.links


def forged(*values: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


async def test_bad_questions_are_refused(api: httpx2.AsyncClient, people: People, desk: dict[str, TicketOut]) -> None:
    for query in (
        "status=done",
        "priority=urgent",
        "category=Not+A+Slug",
        "team=",
        "assignee=",
        "requester=" + "x" * 51,
        "created_after=2026-01-01T00:00:00",
        "created_after=yesterday",
        "created_before=0001-01-01T00:00:00%2B14:00",
        "q=" + "x" * 501,
        "sort=title",
        "sort=--id",
        "limit=0",
        "limit=101",
        "limit=ten",
        "limit=1" + "0" * 30,
        "page=2",
        "cursor=",
        "cursor=" + "x" * 501,
        "cursor=" + forged("-created_at", 1),
        "cursor=" + forged("created_at", {"t": "2026-01-01T00:00:00Z"}, 1),
        "cursor=" + forged("-created_at", {"t": "0001-01-01T00:00:00+14:00"}, 1),
        "cursor=" + forged("-created_at", "2026", 1),
        "cursor=" + forged("-created_at", {"t": "2026-01-01T00:00:00Z"}, 2**63),
        "sort=id&cursor=" + forged("id", True),
        "sort=id&cursor=" + forged("id", 10**30),
        "sort=status&cursor=" + forged("status", "a\x00", 1),
        "sort=-priority&cursor=" + forged("-priority", "high", 1),
    ):
        answer = await api.get(f"{LIST}?{query}", headers=people.agent.headers)
        assert answer.status_code == 422, (query, answer.text)
        code = answer.json()["code"]
        assert code in {"validation_failed", "cursor_invalid"}, query
        if code == "validation_failed":
            assert answer.json()["errors"][0]["location"][:2] == ["query", query.split("=")[0]]


async def test_what_is_no_text_is_refused_at_the_door(api: httpx2.AsyncClient, people: People) -> None:
    for query in ("q=a%00b", "tag=a%00b", "cursor=%FF"):
        answer = await api.get(f"{LIST}?{query}", headers=people.agent.headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


async def test_the_last_of_a_repeated_single_value_counts(
    api: httpx2.AsyncClient, people: People, desk: dict[str, TicketOut]
) -> None:
    assert await titles(api, people.agent, q=["vpn", "charged"]) == ["bill"]


async def test_the_filters_are_documented(settings: Settings) -> None:
    described = create_app(settings).openapi()
    operation = described["paths"]["/api/v1/tickets"]["get"]
    parameters = {one["name"]: one["schema"] for one in operation["parameters"] if one["in"] == "query"}
    assert parameters["limit"] | {"default": 20} == {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}
    assert parameters["status"]["items"]["$ref"] == "#/components/schemas/TicketStatus"
    assert {"TicketStatus", "Priority"} <= described["components"]["schemas"].keys()
    assert {"sort", "cursor", "q", "created_after", "assignee", "requester", "tag", "team"} <= parameters.keys()


async def test_every_status_of_an_answer_is_documented(settings: Settings) -> None:
    described = create_app(settings).openapi()["paths"]
    for address, method, statuses in (
        ("", "post", {"201", "400", "401", "413", "422", "429"}),
        ("", "get", {"200", "401", "422", "429"}),
        ("/{ticket_id}", "patch", {"200", "401", "403", "404", "409", "412", "413", "422", "429"}),
        ("/{ticket_id}", "put", {"200", "401", "403", "404", "409", "412", "413", "422", "429"}),
        ("/{ticket_id}", "delete", {"204", "401", "403", "404", "412", "429"}),
        ("/{ticket_id}/comments", "post", {"201", "400", "401", "403", "404", "409", "413", "422", "429"}),
        ("/{ticket_id}/similar", "get", {"200", "401", "404", "422", "429"}),
        ("/categorize", "post", {"200", "400", "401", "413", "422", "429", "503"}),
    ):
        assert statuses <= described[f"/api/v1/tickets{address}"][method]["responses"].keys(), (address, method)
