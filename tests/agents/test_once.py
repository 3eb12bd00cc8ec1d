"""Workers die, and some come back from the dead: a run has one outcome and one ticket all the same."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import update

from app.agents import service
from app.core.clock import now
from app.core.resources import Resources
from app.jobs.errors import ClaimLost
from app.models.job import Job
from tests.agents.models import DRAFT, Script, answering, calling
from tests.agents.running import ask, carry_out, look, tickets_there_are
from tests.factories.people import Person
from tests.factories.runs import deliver


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
