"""What the desk owes a ticket is found out from the rows when the message about it was lost."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.core.resources import Resources
from app.relay import subscriptions
from app.tickets import service
from app.tickets.service import neglected
from app.tickets.service.neglected import Rounds
from app.tickets.tasks import catch_up, categorise_ticket, embed_ticket
from tests.factories.tickets import ticket
from tests.tickets.conftest import People

JOBS = "SELECT id, subject, state FROM jobs ORDER BY created_at, subject"


async def look(resources: Resources, rounds: Rounds | None = None, *, seconds: float = 0.0) -> int:
    async with resources.db.unit_of_work() as db:
        return await (rounds or Rounds()).look(db, seconds=seconds)


async def rows(resources: Resources, query: str) -> list[Any]:
    async with resources.db.session() as db:
        return list((await db.execute(text(query))).all())


async def catch_up_on_all(resources: Resources) -> None:
    for job in await rows(resources, JOBS):
        await catch_up.handler(resources, job.id)


async def test_a_ticket_nobody_worked_on_is_embedded_and_categorised_once(people: People, resources: Resources) -> None:
    made = await ticket(resources, people.customer.who)
    assert await look(resources, seconds=60) == 0
    assert await look(resources) == 1
    assert await look(resources) == 0
    ((kind, payload),) = await rows(resources, "SELECT type, payload FROM outbox WHERE type = 'job.due'")
    (call,) = subscriptions.build().deliveries(kind, payload)
    assert (getattr(call, "name", None), payload["subject"]) == ("tickets.catch_up", str(made.id))
    await catch_up_on_all(resources)
    await catch_up_on_all(resources)
    ((embedded, confidence),) = await rows(
        resources, "SELECT ticket_version, confidence FROM ticket_embeddings JOIN tickets ON id = ticket_id"
    )
    assert embedded == 1
    assert confidence > 0
    assert [job.state for job in await rows(resources, JOBS)] == ["succeeded"]
    assert len(await rows(resources, "SELECT 1 FROM outbox WHERE type = 'ticket.categorised'")) == 1
    assert await look(resources) == 0


async def test_a_ticket_that_got_what_it_was_due_is_let_be(people: People, resources: Resources) -> None:
    made = await ticket(resources, people.customer.who)
    chosen = await ticket(resources, people.customer.who, category="bug")
    gone = await ticket(resources, people.customer.who)
    async with resources.db.unit_of_work() as db:
        await service.delete(db, people.admin.who, gone.id)
    await embed_ticket.handler(resources, made.id)
    await embed_ticket.handler(resources, chosen.id)
    await categorise_ticket.handler(resources, made.id)
    async with resources.db.unit_of_work() as db:
        await service.update(db, people.agent.who, made.id, edit={"tags": ["vpn"]})
    assert await look(resources) == 0


async def test_a_changed_text_whose_message_was_lost_is_embedded_again(people: People, resources: Resources) -> None:
    made = await ticket(resources, people.customer.who, category="bug")
    await embed_ticket.handler(resources, made.id)
    async with resources.db.unit_of_work() as db:
        await service.update(db, people.agent.who, made.id, edit={"description": "The printer burns."})
    assert await look(resources) == 1
    await catch_up_on_all(resources)
    assert await rows(resources, "SELECT ticket_version FROM ticket_embeddings") == [(2,)]
    assert await rows(resources, "SELECT category, confidence FROM tickets") == [("bug", None)]


async def test_what_was_done_before_its_job_ran_is_not_done_again(people: People, resources: Resources) -> None:
    made = await ticket(resources, people.customer.who)
    await look(resources)
    await embed_ticket.handler(resources, made.id)
    await categorise_ticket.handler(resources, made.id)
    await catch_up_on_all(resources)
    assert [job.state for job in await rows(resources, JOBS)] == ["succeeded"]
    assert await rows(resources, "SELECT version FROM tickets") == [(2,)]


async def test_the_newest_are_seen_at_each_look_and_the_others_in_turn(
    people: People, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neglected, "STRETCH", 2)
    made = [str((await ticket(resources, people.customer.who)).id) for _ in range(7)]
    rounds = Rounds()
    seen = []
    for _ in range(3):
        await look(resources, rounds)
        seen.append(sorted(job.subject for job in await rows(resources, JOBS)))
    assert seen == [made[3:], made[1:], made]
    async with resources.db.unit_of_work() as db:
        await db.execute(text("DELETE FROM jobs"))
    assert [await look(resources, rounds) for _ in range(3)] == [4, 2, 1]


def test_a_job_that_was_given_up_leads_to_nothing() -> None:
    payload = {"job_id": str(UUID(int=1)), "kind": service.CATCHING_UP, "subject": "1", "reason": "tired"}
    assert subscriptions.build().deliveries("job.exhausted", payload) == []
