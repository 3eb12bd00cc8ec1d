"""A desk without processes: what relay and worker do for conversations is done when a test says so."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import select, update

from app.conversations import service, tasks
from app.core.auth import Role
from app.core.resources import Resources
from app.core.tasks import Task, TaskCall
from app.knowledge import tasks as knowledge_tasks
from app.models.outbox import OutboxRow, OutboxState
from app.relay import subscriptions
from tests.factories.answers import Scripted
from tests.factories.people import Person, register

SESSIONS = "/api/v1/sessions"
Json = dict[str, Any]
_CARRIED_OUT: Sequence[Task[Any]] = (
    tasks.give_up_turn,
    tasks.rescue,
    tasks.follow,
    tasks.follow_job,
    tasks.recheck,
    tasks.overdue,
    tasks.recap,
    knowledge_tasks.index_document,
)


@dataclass
class Desk:
    """The staff's and the customers' way through the API, and the workers behind it."""

    api: httpx2.AsyncClient
    resources: Resources
    customer: Person
    agent: Person
    answers: Scripted = field(default_factory=Scripted)

    async def call(self, method: str, path: str, who: Person | None = None, status: int = 200, **content: Any) -> Any:
        address = path if path.startswith("/api") else f"{SESSIONS}{path}"
        headers = {**(who or self.customer).headers, **content.pop("headers", {})}
        answer = await self.api.request(method, address, headers=headers, **content)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def open(self, **body: Any) -> str:
        made = await self.call("POST", "", status=201, json=body)
        assert made["status"] == "open"
        return str(made["session_id"])

    async def say(self, session: str, content: str, *, who: Person | None = None, **more: Any) -> Json:
        said: Json = await self.call(
            "POST", f"/{session}/messages", who=who, status=201, json={"content": content, **more}
        )
        return said

    async def ask(self, content: str = "How do I restart the scanner?") -> str:
        """A new conversation with one question that was dealt with."""
        session = await self.open()
        await self.say(session, content)
        await self.work()
        return session

    async def messages(self, session: str, *, who: Person | None = None) -> list[Json]:
        found: list[Json] = await self.call("GET", f"/{session}/messages", who=who)
        return found

    async def roles(self, session: str) -> list[str]:
        return [message["role"] for message in await self.messages(session)]

    async def session(self, session: str) -> Json:
        found: Json = await self.call("GET", f"/{session}")
        return found

    async def work(self) -> None:
        """Until nothing is left to deliver that is due."""
        built = subscriptions.build()
        while rows := await self._pending():
            for row in rows:
                for delivery in built.deliveries(row.type, row.payload):
                    if isinstance(delivery, TaskCall):
                        await self.run(delivery)

    async def run(self, call: TaskCall) -> None:
        if call.name == tasks.take_turn.name:
            await service.take_turn(self.resources, UUID(str(call.args[0])), answer=self.answers)
        for task in _CARRIED_OUT:
            if task.name == call.name:
                await task.handler(self.resources, *call.args)

    async def _pending(self) -> Sequence[OutboxRow]:
        async with self.resources.db.unit_of_work() as db:
            query = select(OutboxRow).where(OutboxRow.state == OutboxState.PENDING).order_by(OutboxRow.id)
            rows = (await db.execute(query)).scalars().all()
            done = update(OutboxRow).where(OutboxRow.id.in_([row.id for row in rows]))
            await db.execute(done.values(state=OutboxState.DELIVERED))
        return rows


@pytest.fixture
async def desk(api: httpx2.AsyncClient, resources: Resources) -> Desk:
    return Desk(api, resources, await register(resources), await register(resources, Role.AGENT))
