"""What is told to a person wherever they are: how far their batches are, and to administrators what models cost."""

from decimal import Decimal

from sqlalchemy import select

from app.agents import service as agents
from app.analytics import service as analytics
from app.conversations.events import SessionOverdue
from app.core.auth import Role
from app.core.clock import now
from app.core.resources import Resources
from app.inference.calls import ModelCall
from app.inference.operations import Operation
from app.inference.platform import CostSection
from app.models.agent import AgentRun, RunStatus
from app.models.base import uuid7
from app.outbox import writer as outbox
from tests.factories import people, tickets
from tests.websocket.conftest import Deliver, Server

COUNTS = ("status", "total", "pending", "running", "completed", "failed")


async def end_one(resources: Resources) -> AgentRun:
    async with resources.db.session() as db:
        run = (await db.execute(select(AgentRun).where(AgentRun.status == RunStatus.QUEUED))).scalar_one()
    await agents.give_up(resources, run.job_id)
    # A message that comes twice tells nothing twice.
    await agents.give_up(resources, run.job_id)
    return run


async def test_who_asked_for_a_batch_is_told_of_every_run_that_ends_also_after_a_broken_connection(
    server: Server, resources: Resources, customer: people.Person, agent: people.Person, deliver: Deliver
) -> None:
    numbers = [(await tickets.ticket(resources, customer.who)).id for _ in range(2)]
    async with server.connect(customer.token) as mine, server.connect(agent.token) as other:
        answer = await mine.ask("subscribe_notifications", "r")
        assert (answer["protocol"], answer["data"]) == ("notification", {"topic": "own", "subscribed": True, "seq": 0})
        await other.ask("subscribe_notifications")
        async with resources.db.unit_of_work() as db:
            batch = await agents.start_batch(
                db, customer.who, operation=Operation.CATEGORIZE, ticket_ids=numbers, parallelism=1
            )
        first = await end_one(resources)
        await deliver()
        told = [await mine.receive() for _ in range(2)]
        assert [[message["data"][name] for name in COUNTS] for message in told] == [
            ["running", 2, 1, 1, 0, 0],
            ["running", 2, 0, 1, 0, 1],
        ]
        assert {message["type"] for message in told} == {"batch_progress"}
        assert {message["data"]["batch_id"] for message in told} == {str(batch.batch_id)}
        about = [(message["data"]["ticket_id"], message["data"]["run_id"]) for message in told]
        assert about == [(None, None), (numbers[0], str(first.id))]
        left = await mine.ask("unsubscribe_notifications")
        assert left["data"] == {"topic": "own", "subscribed": False}
        await end_one(resources)
        await deliver()
        assert await other.silent()
    async with server.connect(customer.token) as again:
        back = await again.ask("subscribe_notifications", topic="own", after=told[-1]["seq"])
        assert back["data"] == {"topic": "own", "subscribed": True, "seq": 3, "recovered": True}
        last = await again.receive()
    assert [last["data"][name] for name in COUNTS] == ["completed", 2, 0, 0, 0, 2]


async def test_administrators_are_told_of_the_budget_and_nobody_else_is(
    server: Server, resources: Resources, deliver: Deliver
) -> None:
    admin, supervisor = [await people.register(resources, role) for role in (Role.ADMIN, Role.SUPERVISOR)]
    costs = CostSection(monthly_budget_usd=10)
    async with server.connect(admin.token) as inside, server.connect(supervisor.token) as outside:
        refused = await outside.ask("subscribe_notifications", "r", topic="budget")
        assert (refused["type"], refused["success"]) == ("subscription_response", False)
        assert refused["data"] == {"code": "forbidden", "topic": "budget"}
        answer = await inside.ask("subscribe_notifications", topic="budget")
        assert answer["data"] == {"topic": "budget", "subscribed": True, "seq": 0}
        for dollars in ("8.50", "1.25"):
            call = ModelCall("openai:gpt-4o", "openai", "answered", cost_usd=Decimal(dollars))
            await analytics.record_alone(resources, [call], user_id=admin.id, operation="triage", costs=costs)
        await deliver()
        told = [await inside.receive() for _ in range(2)]
        assert await outside.silent()
    assert [(message["type"], message["data"]["spent_usd"]) for message in told] == [
        ("budget_nearly_spent", 8.5),
        ("budget_spent", 9.75),
    ]
    assert all(message["data"]["budget_usd"] == 10 for message in told)


async def test_a_topic_that_is_none_is_refused(server: Server, customer: people.Person) -> None:
    async with server.connect(customer.token) as client:
        for topic in ("user:1", "accounts", None):
            answer = await client.ask("subscribe_notifications", topic=topic)
            assert (answer["type"], answer["data"]["code"]) == ("error", "invalid_message")


async def test_the_staff_hear_of_overdue_handovers_whichever_tickets_they_watch(
    server: Server, resources: Resources, customer: people.Person, agent: people.Person, deliver: Deliver
) -> None:
    async def overdue(ticket_id: int) -> None:
        async with resources.db.unit_of_work() as db:
            about = {"team": "billing", "assigned_to": None, "due_at": now(), "timestamp": now()}
            outbox.add(db, SessionOverdue(session_id=uuid7(), ticket_id=ticket_id, **about))
        await deliver()

    async with server.connect(agent.token) as inside, server.connect(customer.token) as outside:
        answer = await inside.ask("subscribe_notifications", "q", topic="queue")
        assert answer["data"] == {"topic": "queue", "subscribed": True, "seq": 0}
        refused = await outside.ask("subscribe_notifications", topic="queue", after=0)
        assert (refused["success"], refused["data"]) == (False, {"code": "staff_only", "topic": "queue"})
        await overdue(7)
        told = await inside.receive()
        assert (told["type"], told["seq"], told["data"]["ticket_id"]) == ("handover_overdue", 1, 7)
        left = await inside.ask("unsubscribe_notifications", topic="queue")
        assert left["data"] == {"topic": "queue", "subscribed": False}
        await overdue(8)
        again = await inside.ask("subscribe_notifications", topic="queue", after=1)
        assert again["data"] == {"topic": "queue", "subscribed": True, "seq": 2, "recovered": True}
        missed = await inside.receive()
        assert (missed["seq"], missed["data"]["ticket_id"]) == (2, 8)
        lost = await inside.ask("subscribe_notifications", topic="queue", after=99)
        assert lost["data"] == {"topic": "queue", "subscribed": True, "seq": 2, "recovered": False}
        assert await outside.silent()
