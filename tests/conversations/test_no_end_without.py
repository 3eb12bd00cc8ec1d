"""Whatever happens in whatever order, no conversation ends without an answer, a handover or a resolution."""

import asyncio
from collections.abc import Coroutine
from typing import Any, ClassVar
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from sqlalchemy import select, update

from app.conversations import service, tasks
from app.core.auth import Principal, Role
from app.core.clock import now
from app.core.errors import Problem
from app.core.resources import Resources
from app.core.tasks import Task, TaskCall
from app.grounding.outcome import Reason
from app.jobs import reaper
from app.models.conversation import Conversation, Handling, Message, SessionStatus, Speaker
from app.models.job import Job, JobState
from app.models.outbox import OutboxRow, OutboxState
from app.models.ticket import Ticket, TicketComment, TicketStatus, Visibility
from app.relay import subscriptions
from app.tickets import service as tickets
from tests.factories.answers import Outcome, Scripted, answer, refusal
from tests.factories.people import principal

BUILT = subscriptions.build()


class ModelAway(Exception):
    pass


OUTCOMES: list[Outcome] = [answer(), answer(), refusal(), refusal(Reason.POLICY), ModelAway()]
QUICK: dict[str, Task[Any]] = {
    task.name: task for task in (tasks.follow, tasks.give_up_turn, tasks.rescue, tasks.follow_job)
}


class Desk:
    """One conversation, and the processes about it, any of whose messages may be lost."""

    def __init__(self, resources: Resources, who: Principal, agent: Principal, boss: Principal) -> None:
        self.resources, self.who, self.agent, self.boss = resources, who, agent, boss
        self.session = UUID(int=0)
        self.said = 0

    async def open(self) -> None:
        async with self.resources.db.unit_of_work() as db:
            self.session = (await service.start(db, self.who)).session_id

    async def say(self, who: Principal) -> None:
        self.said += 1
        async with self.resources.db.unit_of_work() as db:
            await service.say(db, who, self.session, content=f"Number {self.said}?", source_id=f"s-{self.said}")

    async def ticket(self) -> int | None:
        async with self.resources.db.session() as db:
            return (await db.get_one(Conversation, self.session)).ticket_id

    async def comment(self, who: Principal) -> None:
        if (ticket := await self.ticket()) is not None:
            async with self.resources.db.unit_of_work() as db:
                await tickets.comment(db, who, ticket, body="A word")

    async def end_ticket(self, status: TicketStatus | None) -> None:
        if (ticket := await self.ticket()) is not None:
            async with self.resources.db.unit_of_work() as db:
                if status is None:
                    await tickets.delete(db, self.boss, ticket)
                else:
                    await tickets.change_status(db, self.agent, ticket, status=status)

    async def escalate(self, event: str) -> None:
        options = self.resources.settings.conversations
        async with self.resources.db.unit_of_work() as db:
            await service.hand_over(db, options, self.who, self.session, event=event, note=None)

    async def resolve(self, who: Principal) -> None:
        async with self.resources.db.unit_of_work() as db:
            await service.resolve(db, who, self.session, resolution="Done.")

    async def deliver(self, outcome: Outcome, *, lost: bool = False) -> bool:
        """The oldest event that is due; with `lost`, the broker forgets what came of it."""
        async with self.resources.db.unit_of_work() as db:
            due = select(OutboxRow).where(OutboxRow.state == OutboxState.PENDING).order_by(OutboxRow.id).limit(1)
            row = (await db.execute(due)).scalar_one_or_none()
            if row is None:
                return False
            row.state = OutboxState.DELIVERED
        if not lost:
            for delivery in BUILT.deliveries(row.type, row.payload):
                if isinstance(delivery, TaskCall):
                    await self.run(delivery, outcome)
        return True

    async def run(self, call: TaskCall, outcome: Outcome) -> None:
        try:
            if call.name == tasks.take_turn.name:
                await service.take_turn(
                    self.resources, UUID(str(call.args[0])), answer=Scripted(lambda _question: outcome)
                )
            elif call.name in QUICK:
                await QUICK[call.name].handler(self.resources, *call.args)
        except ModelAway:
            return

    async def kill_worker(self) -> None:
        """A turn that was begun and never ended, as often as it may be tried."""
        async with self.resources.db.unit_of_work() as db:
            held = update(Job).where(Job.kind == service.TURN, Job.state == JobState.QUEUED)
            await db.execute(held.values(state=JobState.RUNNING, claim="gone", lease_expires_at=now(), attempts=99))

    async def keep_house(self) -> None:
        async with self.resources.db.unit_of_work() as db:
            await db.execute(update(Job).where(Job.state == JobState.QUEUED).values(due_at=now()))
            await reaper.due(db, self.resources.settings.jobs.model_copy(update={"claim_seconds": 0.0001}))
            await service.look(db, seconds=0)

    async def settle(self) -> None:
        """What time does: everything is delivered, and whatever was lost is found."""
        for _ in range(3):
            await self.keep_house()
            while await self.deliver(answer()):
                pass

    async def check(self) -> None:
        async with self.resources.db.session() as db:
            session = await db.get_one(Conversation, self.session)
            rows = (await db.execute(select(Message).where(Message.session_id == session.id))).scalars().all()
            comments = (await db.execute(select(TicketComment))).scalars().all()
            ticket = None if session.ticket_id is None else await db.get_one(Ticket, session.ticket_id)
        asked = [row for row in rows if row.role == Speaker.CUSTOMER]
        replied = {row.reply_to: row for row in rows if row.reply_to is not None}
        assert sorted(row.position for row in rows) == [*range(1, session.messages + 1)]
        for row in asked:
            assert row.handled_as is not None, f"{row.content} waits for ever in a session that is {session.status}"
            if row.handled_as == Handling.ANSWERED:
                assert replied[row.id].role == Speaker.ASSISTANT
            if row.handled_as == Handling.FORWARDED:
                assert row.comment_id is not None
            if row.handled_as == Handling.HANDED_OVER:
                assert session.ticket_id is not None
        if session.status == SessionStatus.ESCALATED:
            assert ticket is not None
            assert ticket.deleted_at is None
            assert ticket.status not in (TicketStatus.RESOLVED, TicketStatus.CLOSED)
            public = {row.id for row in comments if row.ticket_id == ticket.id and row.visibility == Visibility.PUBLIC}
            assert public <= {row.comment_id for row in rows}
        if session.status == SessionStatus.OPEN:
            assert all(row.handled_as == Handling.ANSWERED for row in asked)


class Machine(RuleBasedStateMachine):
    """Runs on a thread of its own; everything else on the test's loop."""

    loop: ClassVar[asyncio.AbstractEventLoop]
    resources: ClassVar[Resources]
    people: ClassVar[list[Principal]]

    def do(self, work: Coroutine[Any, Any, Any]) -> None:
        try:
            asyncio.run_coroutine_threadsafe(work, self.loop).result(120)
        except Problem:
            # Refused, with nothing changed: as good as not done.
            return

    @initialize()
    def begin(self) -> None:
        self.desk = Desk(self.resources, *self.people)
        self.do(self.desk.open())

    @rule()
    def customer_writes(self) -> None:
        self.do(self.desk.say(self.people[0]))

    @rule(outcome=st.sampled_from(OUTCOMES), number=st.integers(1, 8))
    def relay_and_worker_do_some(self, outcome: Outcome, number: int) -> None:
        for _ in range(number):
            self.do(self.desk.deliver(outcome))

    @rule()
    def broker_loses_one(self) -> None:
        self.do(self.desk.deliver(answer(), lost=True))

    @rule()
    def worker_is_killed(self) -> None:
        self.do(self.desk.kill_worker())

    @rule(number=st.sampled_from([0, 1]))
    def somebody_comments(self, number: int) -> None:
        self.do(self.desk.comment(self.people[number]))

    @rule()
    def staff_writes(self) -> None:
        self.do(self.desk.say(self.people[1]))

    @rule(event=st.sampled_from(["a", "b"]))
    def somebody_escalates(self, event: str) -> None:
        self.do(self.desk.escalate(event))

    @rule(status=st.sampled_from([TicketStatus.RESOLVED, TicketStatus.CLOSED, TicketStatus.PENDING, None]))
    def ticket_ends(self, status: TicketStatus | None) -> None:
        self.do(self.desk.end_ticket(status))

    @rule(number=st.sampled_from([0, 1]))
    def somebody_resolves(self, number: int) -> None:
        self.do(self.desk.resolve(self.people[number]))

    @rule()
    def house_is_kept(self) -> None:
        self.do(self.desk.keep_house())

    def teardown(self) -> None:
        asyncio.run_coroutine_threadsafe(self.desk.settle(), self.loop).result(120)
        asyncio.run_coroutine_threadsafe(self.desk.check(), self.loop).result(120)


async def test_no_conversation_ends_without_answer_handover_or_resolution(resources: Resources) -> None:
    Machine.loop, Machine.resources = asyncio.get_running_loop(), resources
    Machine.people = [await principal(resources, role) for role in (Role.CUSTOMER, Role.AGENT, Role.SUPERVISOR)]
    few = settings(
        max_examples=12,
        stateful_step_count=10,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=[*HealthCheck],
    )
    await asyncio.to_thread(run_state_machine_as_test, Machine, settings=few)
