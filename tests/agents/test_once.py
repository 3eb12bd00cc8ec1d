"""Workers die, and some come back from the dead: a run has one outcome and one ticket all the same."""

import asyncio
from datetime import timedelta

import httpx2
import pytest
from fastapi import FastAPI
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models.function import AgentInfo, FunctionModel
from sqlalchemy import update
from starlette.types import ASGIApp, Receive, Scope, Send

from app.agents import service, tasks
from app.core.clock import now
from app.core.resources import Resources
from app.jobs.errors import ClaimLost
from app.models.job import Job
from tests.agents.models import DRAFT, Script, answering, calling
from tests.agents.running import ask, carry_out, look, tickets_there_are
from tests.factories.people import Person, register
from tests.factories.runs import deliver, tool_server


async def test_a_worker_that_dies_after_opening_the_ticket_is_followed_by_one_that_finds_it(
    equipped: Resources, ada: Person
) -> None:
    run = await ask(equipped, ada)
    opened = asyncio.Event()

    async def hang() -> None:
        opened.set()
        await asyncio.sleep(60)

    dying = asyncio.create_task(
        carry_out(equipped, run, Script([calling("create_ticket", **DRAFT), hang, answering()]))
    )
    await opened.wait()
    dying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dying
    assert await tickets_there_are(equipped) == 1
    await carry_out(equipped, run, Script([calling("create_ticket", title="Again", description="d"), answering()]))
    found = await look(equipped, ada, run)
    assert (found.status, found.ticket_id, found.attempts) == ("completed", 1, 2)
    assert found.tool_calls[0].result["created"] is False
    assert found.result is not None
    assert found.result["title"] == "Checkout fails"
    assert await tickets_there_are(equipped) == 1


async def test_a_worker_that_was_thought_dead_writes_nothing(equipped: Resources, ada: Person) -> None:
    run = await ask(equipped, ada)
    opened, overtaken = asyncio.Event(), asyncio.Event()

    async def freeze() -> None:
        opened.set()
        await overtaken.wait()

    frozen = asyncio.create_task(
        carry_out(
            equipped,
            run,
            Script([calling("create_ticket", **DRAFT), freeze, answering(next_actions=["from the dead"])]),
        )
    )
    await opened.wait()
    async with equipped.db.unit_of_work() as db:
        past = now() - timedelta(minutes=1)
        await db.execute(update(Job).where(Job.id == run.job_id).values(lease_expires_at=past))
    await carry_out(equipped, run, Script([calling("create_ticket", **DRAFT), answering()]))
    overtaken.set()
    with pytest.raises(ClaimLost):
        await frozen
    found = await look(equipped, ada, run)
    assert found.result is not None
    assert (found.status, found.result["next_actions"]) == ("completed", ["Look at the gateway."])
    assert await tickets_there_are(equipped) == 1


async def test_a_second_knock_for_a_finished_run_does_nothing(equipped: Resources, ada: Person) -> None:
    run = await ask(equipped, ada)
    script = Script([calling("create_ticket", **DRAFT), answering()])
    await carry_out(equipped, run, script)
    before = await look(equipped, ada, run)
    await carry_out(equipped, run, script)
    await service.give_up(equipped, run.job_id)
    assert await look(equipped, ada, run) == before


async def test_the_desk_works_off_what_was_asked(equipped: Resources, ada: Person) -> None:
    """The whole road with the local model: outbox, task, tools, ticket, news."""
    run = await ask(equipped, ada)
    while await deliver(equipped):
        pass
    found = await look(equipped, ada, run)
    assert (found.status, found.model) == ("completed", "local")
    assert [call.tool for call in found.tool_calls][-1] == "create_ticket"


async def test_the_task_of_a_worker_that_was_overtaken_ends_quietly(
    equipped: Resources, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await ask(equipped, ada)

    async def overtaken(*_: object) -> None:
        raise ClaimLost

    monkeypatch.setattr(service, "execute", overtaken)
    await tasks.run.handler(equipped, run.job_id)
    assert (await look(equipped, ada, run)).status == "queued"


async def test_one_request_id_goes_from_the_request_to_the_tools(
    resources: Resources, app: FastAPI, api: httpx2.AsyncClient
) -> None:
    seen: set[bytes] = set()

    def watched(served: ASGIApp) -> ASGIApp:
        async def watch(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                seen.add(dict(scope["headers"])[b"x-request-id"])
            await served(scope, receive, send)

        return watch

    ada = await register(resources)
    async with tool_server(resources, watched) as app.state.resources:
        headers = {**ada.headers, "X-Request-ID": "from-the-door", "Prefer": "respond-async"}
        await api.post("/api/v1/agent/categorize", json={"description": "Nobody can pay."}, headers=headers)
        while await deliver(app.state.resources):
            pass
    assert seen == {b"from-the-door"}


class Counted(FunctionModel):
    """Notes how often its connections were opened, and how many still are."""

    opened = 0
    open = 0

    async def __aenter__(self) -> "Counted":
        Counted.opened += 1
        Counted.open += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        Counted.open -= 1


async def test_the_connections_of_a_runs_models_are_closed_with_it_however_it_ends(
    equipped: Resources, ada: Person
) -> None:
    async def refuse(_messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
        raise ModelHTTPError(400, "counted")

    for _ in range(3):
        run = await ask(equipped, ada)
        await service.execute(equipped, run.job_id, resolve=lambda *_: Counted(refuse))
    assert Counted.opened >= 3
    assert Counted.open == 0
