"""Finding category, priority and team, and writing them down without undoing what people chose."""

from typing import Any

import httpx2
import pytest
from sqlalchemy import func, select

from app.core.resources import Resources
from app.core.tasks import TaskCall
from app.models.outbox import OutboxRow
from app.models.ticket import Priority, Ticket
from app.relay import subscriptions
from app.tickets import service
from app.tickets.schemas import Categorisation, TicketOut
from app.tickets.tasks import categorise_ticket
from tests.factories.tickets import ticket
from tests.tickets.conftest import People

INVOICE = {
    "title": "Charged twice",
    "description": "My credit card was charged twice for the same invoice, please refund the second payment.",
}
FOUND = Categorisation(category="security", priority=Priority.CRITICAL, team="security", confidence=0.9)


async def test_a_report_is_categorised_and_nothing_is_stored(
    api: httpx2.AsyncClient, people: People, resources: Resources
) -> None:
    answer = await api.post("/api/v1/tickets/categorize", json=INVOICE, headers=people.customer.headers)
    assert answer.status_code == 200, answer.text
    guess = answer.json()
    assert guess.keys() == {"category", "priority", "team", "confidence", "reasoning", "alternatives"}
    assert (guess["category"], guess["team"]) == ("billing", "accounts" if guess["team"] == "accounts" else "billing")
    assert 0 < guess["confidence"] <= 1
    assert guess["reasoning"]
    assert guess["alternatives"]
    assert all(one.keys() == {"category", "confidence"} for one in guess["alternatives"])
    untitled = await api.post(
        "/api/v1/tickets/categorize", json={"description": INVOICE["description"]}, headers=people.customer.headers
    )
    assert untitled.json()["category"] == "billing"
    async with resources.db.session() as db:
        assert (await db.execute(select(func.count()).select_from(Ticket))).scalar_one() == 0
    for bad in ({}, {"description": " "}, {"description": "a\x00"}, {"description": "x", "store": True}):
        refused = await api.post("/api/v1/tickets/categorize", json=bad, headers=people.customer.headers)
        assert refused.json()["code"] == "validation_failed"
    assert (await api.post("/api/v1/tickets/categorize", json=INVOICE)).status_code == 401


async def test_a_new_ticket_is_categorised_by_the_desk_once(
    api: httpx2.AsyncClient, people: People, resources: Resources
) -> None:
    made = await ticket(resources, people.customer.who, **INVOICE)
    await categorise_ticket.handler(resources, made.id)
    await categorise_ticket.handler(resources, made.id)
    read = (await api.get(f"/api/v1/tickets/{made.id}", headers=people.customer.headers)).json()
    assert (read["category"], read["version"]) == ("billing", 2)
    assert read["team"]
    assert 0 < read["confidence"] <= 1
    entries = (await api.get(f"/api/v1/tickets/{made.id}/timeline", headers=people.customer.headers)).json()
    assert [(entry["action"], entry["actor"]) for entry in entries][1:] == [("categorised", None)]
    assert entries[-1]["changes"]["category"] == ["general", "billing"]
    async with resources.db.session() as db:
        rows = (await db.execute(select(OutboxRow).order_by(OutboxRow.id))).scalars().all()
    assert [row.type for row in rows] == ["ticket.created", "ticket.categorised"]
    assert rows[1].payload == {
        "ticket_id": made.id,
        "category": "billing",
        "priority": read["priority"],
        "team": read["team"],
        "confidence": read["confidence"],
        "timestamp": read["updated_at"],
    }


async def test_a_ticket_that_is_gone_is_not_categorised(people: People, resources: Resources) -> None:
    made = await ticket(resources, people.customer.who, **INVOICE)
    async with resources.db.unit_of_work() as db:
        await service.delete(db, people.admin.who, made.id)
    await categorise_ticket.handler(resources, made.id)
    async with resources.db.session() as db:
        assert (await db.execute(select(Ticket.category))).scalars().all() == ["general"]


@pytest.mark.parametrize(
    ("given", "edit", "expected"),
    [
        ({}, {}, ("security", "critical", "security")),
        ({"category": "general"}, {}, ("general", "critical", "security")),
        ({"priority": Priority.LOW}, {}, ("security", "low", "security")),
        ({}, {"team": "support", "category": "bug"}, ("bug", "critical", "support")),
    ],
)
async def test_what_people_chose_stays_unless_told_otherwise(
    people: People, resources: Resources, given: dict[str, Any], edit: Any, expected: tuple[str, str, str]
) -> None:
    made = await ticket(resources, people.customer.who, **given)
    async with resources.db.unit_of_work() as db:
        await service.update(db, people.agent.who, made.id, edit=edit)
    async with resources.db.unit_of_work() as db:
        kept = await service.attach_categorisation(db, people.agent.who, made.id, found=FOUND)
    assert (kept.category, kept.priority, kept.team, kept.confidence) == (*expected, 0.9)
    async with resources.db.unit_of_work() as db:
        forced = await service.attach_categorisation(db, people.agent.who, made.id, found=FOUND, overwrite=True)
        entries = await service.timeline(db, people.agent.who, made.id)
    assert (forced.category, forced.priority, forced.team) == ("security", "critical", "security")
    assert entries.rows[-1].actor is not None
    assert entries.rows[-1].actor.username == "agnes"


async def test_a_given_category_is_not_looked_for(people: People, resources: Resources) -> None:
    chosen: TicketOut = await ticket(resources, people.customer.who, category="bug")
    open_: TicketOut = await ticket(resources, people.customer.who)
    async with resources.db.unit_of_work() as db:
        await service.update(db, people.agent.who, open_.id, edit={"priority": Priority.HIGH})
        await service.update(db, people.agent.who, open_.id, edit={"description": "More"})
    async with resources.db.session() as db:
        rows = (await db.execute(select(OutboxRow).order_by(OutboxRow.id))).scalars().all()
    known = subscriptions.build()
    calls = [
        [(call.name, call.args) for call in known.deliveries(row.type, row.payload) if isinstance(call, TaskCall)]
        for row in rows
    ]
    assert calls == [
        [("tickets.embed", (chosen.id,))],
        [("tickets.embed", (open_.id,)), ("tickets.categorise", (open_.id,))],
        [],
        [("tickets.embed", (open_.id,))],
    ]
