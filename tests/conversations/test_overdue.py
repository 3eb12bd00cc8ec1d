"""Handovers that nobody answers in time: seen once, moved up, told to the staff."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from app.conversations import service, tasks
from app.conversations.service import OVERDUE
from app.core.auth import Role
from app.core.clock import now
from app.models.conversation import Escalation
from app.models.job import Job
from app.models.outbox import OutboxRow
from app.outbox.deliveries import Push
from app.relay.subscriptions import build
from tests.conversations.conftest import Desk
from tests.factories.answers import refusal
from tests.factories.people import Person, register


async def handed_over(desk: Desk) -> tuple[str, int]:
    """Some hours too late already."""
    desk.answers.rule = lambda _: refusal()
    session = await desk.ask("The invoice of March was charged twice, why?")
    async with desk.resources.db.unit_of_work() as db:
        await db.execute(update(Escalation).values(due_at=now() - timedelta(hours=2)))
    return session, (await desk.session(session))["ticket_id"]


async def look(desk: Desk) -> None:
    async with desk.resources.db.unit_of_work() as db:
        await service.look(db, seconds=3600)
    await desk.work()


async def ticket_of(desk: Desk, ticket: int) -> Any:
    return await desk.call("GET", f"/api/v1/tickets/{ticket}", who=desk.agent)


async def supervisor(desk: Desk, *teams: str) -> Person:
    made = await register(desk.resources, Role.SUPERVISOR)
    boss = await register(desk.resources, Role.ADMIN)
    await desk.call("PATCH", f"/api/v1/users/{made.id}", who=boss, json={"teams": list(teams)})
    return made


async def test_what_nobody_answers_becomes_more_urgent_and_goes_to_a_supervisor_of_its_team(desk: Desk) -> None:
    session, ticket = await handed_over(desk)
    before = await ticket_of(desk, ticket)
    await supervisor(desk)
    theirs = await supervisor(desk, before["team"])
    assert await desk.call("GET", "?overdue=true", who=desk.agent) == []
    await look(desk)
    after = await ticket_of(desk, ticket)
    steps = ["low", "medium", "high", "critical"]
    assert steps.index(after["priority"]) == min(3, steps.index(before["priority"]) + 1)
    assert after["assignee"]["id"] == theirs.id
    pack = await desk.call("GET", f"/{session}/escalation", who=desk.agent)
    assert (pack["breached_at"] is not None, pack["answered_at"]) == (True, None)
    trail = await desk.call("GET", f"/api/v1/tickets/{ticket}/timeline", who=desk.agent)
    levels = [row["changes"]["escalation"][1]["level"] for row in trail if row["action"] == "escalated"]
    assert levels.count("overdue") == 1
    assert "overdue" not in str(await desk.call("GET", f"/api/v1/tickets/{ticket}/timeline"))
    listed = await desk.call("GET", "?overdue=true", who=desk.agent)
    assert [one["session_id"] for one in listed] == [session]
    async with desk.resources.db.session() as db:
        row = (await db.execute(select(OutboxRow).where(OutboxRow.type == "session.overdue"))).scalar_one()
    pushes = [one for one in build().deliveries(row.type, row.payload) if isinstance(one, Push)]
    assert [(one.channel, one.type) for one in pushes] == [
        (f"ticket:{ticket}:staff", "ticket_overdue"),
        ("queue", "handover_overdue"),
    ]
    push = pushes[-1]
    assert push.data["assigned_to"] == theirs.username
    await desk.say(session, "We refund it.", who=desk.agent)
    assert await desk.call("GET", "?overdue=true", who=desk.agent) == []


async def test_it_is_marked_once_however_often_it_is_looked_at_and_whoever_is_killed(desk: Desk) -> None:
    _, ticket = await handed_over(desk)
    await look(desk)
    after = await ticket_of(desk, ticket)
    assert after["assignee"] is None, "there is no supervisor: it stays in the queue"
    async with desk.resources.db.session() as db:
        (job_id,) = (await db.execute(select(Job.id).where(Job.kind == OVERDUE))).scalars().all()
        escalation = (await db.execute(select(Escalation.id))).scalar_one()
    await tasks.overdue.handler(desk.resources, UUID(str(job_id)))
    await look(desk)
    async with desk.resources.db.unit_of_work() as db:
        assert not await service.mark_overdue(db, escalation)
        assert not await service.mark_overdue(db, escalation + 1)
    assert await ticket_of(desk, ticket) == after


async def test_what_was_answered_or_ended_is_never_overdue(desk: Desk) -> None:
    answered, ticket = await handed_over(desk)
    await desk.say(answered, "We look into it.", who=desk.agent)
    resolved, _ = await handed_over(desk)
    await desk.call("POST", f"/{resolved}/resolve", who=desk.agent)
    before = await ticket_of(desk, ticket)
    await look(desk)
    assert await ticket_of(desk, ticket) == before
    pack = await desk.call("GET", f"/{answered}/escalation", who=desk.agent)
    assert (pack["answered_at"] is not None, pack["breached_at"]) == (True, None)
    async with desk.resources.db.session() as db:
        assert (await db.execute(select(Job).where(Job.kind == OVERDUE))).all() == []


async def test_an_owner_keeps_the_ticket_and_a_comment_on_it_is_an_answer_too(desk: Desk) -> None:
    session, ticket = await handed_over(desk)
    await supervisor(desk)
    body = {"assignee_id": desk.agent.id, "priority": "critical"}
    headers = {"Content-Type": "application/merge-patch+json"}
    await desk.call("PATCH", f"/api/v1/tickets/{ticket}", who=desk.agent, json=body, headers=headers)
    await look(desk)
    after = await ticket_of(desk, ticket)
    assert (after["assignee"]["id"], after["priority"]) == (desk.agent.id, "critical")
    await desk.call(
        "POST", f"/api/v1/tickets/{ticket}/comments", who=desk.agent, status=201, json={"body": "We refund it."}
    )
    await desk.work()
    pack = await desk.call("GET", f"/{session}/escalation", who=desk.agent)
    assert pack["answered_at"] is not None
