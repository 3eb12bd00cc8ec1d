"""Passing tickets on: once, whatever happens on the way."""

import asyncio
import uuid

import pytest
from sqlalchemy import func, select, update
from starlette.responses import JSONResponse

from app.core.errors import Forbidden
from app.core.resources import Resources
from app.integrations import service
from app.integrations.errors import IntegrationDisabled, IntegrationMissing
from app.integrations.schemas import ExportOut, IntegrationOut
from app.integrations.tasks import export_ticket, give_up_export
from app.integrations.vendors import Provider
from app.models.integration import Export, ExternalLink, Integration
from app.models.job import Job, JobState
from app.models.outbox import OutboxRow
from app.tickets import service as tickets
from app.tickets.errors import TicketMissing
from tests.factories.people import Person, register
from tests.factories.tickets import ticket
from tests.integrations.conftest import There


async def wish(resources: Resources, who: Person, ticket_id: int, **more: object) -> ExportOut:
    async with resources.db.unit_of_work() as db:
        return await service.pass_on(db, who.who, ticket_id=ticket_id, **more)  # type: ignore[arg-type] # as the test says


async def job_of(resources: Resources, export: ExportOut) -> uuid.UUID:
    async with resources.db.session() as db:
        return (await db.execute(select(Export.job_id).where(Export.id == export.export_id))).scalar_one()


async def work(resources: Resources, export: ExportOut) -> None:
    await export_ticket.handler(resources, await job_of(resources, export))


async def now_it_is(resources: Resources, who: Person, export: ExportOut) -> ExportOut:
    async with resources.db.session() as db:
        return await service.state(db, who.who, ticket_id=export.ticket_id, integration_id=export.integration_id)


async def test_a_ticket_is_passed_on_and_remembers_where_it_went(
    near: Resources, there: There, connected: IntegrationOut, agent: Person
) -> None:
    made = await ticket(near, agent.who, tags=["vpn"])
    export = await wish(near, agent, made.id)
    assert export.status == "queued"
    await work(near, export)
    found = await now_it_is(near, agent, export)
    assert (found.status, found.error) == ("created", None)
    assert found.external_id
    (text,) = there.peer.texts()
    assert "VPN is down" in text
    assert f"evidesk-{export.export_id.hex}" in text
    async with near.db.session() as db:
        link = (await db.execute(select(ExternalLink))).scalar_one()
        trail = await tickets.timeline(db, agent.who, made.id, limit=9)
    assert (link.ticket_id, link.external_id, link.url) == (made.id, found.external_id, found.url)
    assert [entry.action for entry in trail.rows][-1] == "exported"
    assert trail.rows[-1].internal


async def test_the_wish_and_the_knock_for_it_are_one_commit(
    near: Resources, connected: IntegrationOut, agent: Person
) -> None:
    made = await ticket(near, agent.who)
    async with near.db.session() as db:
        await service.pass_on(db, agent.who, ticket_id=made.id)
        await db.rollback()
    async with near.db.session() as db:
        assert (await db.execute(select(func.count()).select_from(Export))).scalar_one() == 0
    export = await wish(near, agent, made.id)
    async with near.db.session() as db:
        due = select(OutboxRow.payload["subject"].astext).where(OutboxRow.type == "job.due")
        assert str(export.export_id) in (await db.execute(due)).scalars().all()


async def test_wishes_at_the_same_time_and_later_ones_are_one(
    near: Resources, there: There, connected: IntegrationOut, agent: Person
) -> None:
    made = await ticket(near, agent.who)
    wishes = await asyncio.gather(*(wish(near, agent, made.id) for _ in range(4)))
    assert len({one.export_id for one in wishes}) == 1
    await work(near, wishes[0])
    await work(near, wishes[0])
    assert (await wish(near, agent, made.id)).status == "created"
    assert len(there.peer.made) == 1
    async with near.db.session() as db:
        assert (await db.execute(select(func.count()).select_from(Job))).scalar_one() == 1


async def test_an_answer_that_was_lost_doubles_nothing(
    near: Resources, there: There, connected: IntegrationOut, agent: Person
) -> None:
    made = await ticket(near, agent.who)
    export = await wish(near, agent, made.id)
    there.peer.lose_answers = 1
    await work(near, export)
    assert (await now_it_is(near, agent, export)).status == "queued"
    await work(near, export)
    found = await now_it_is(near, agent, export)
    assert (found.status, len(there.peer.made)) == ("created", 1)


async def test_a_worker_killed_between_call_and_commit_doubles_nothing(
    near: Resources, there: There, connected: IntegrationOut, agent: Person
) -> None:
    """Nothing of it runs on, not even what it would do at its end: the job's lease is simply over some day."""
    made = await ticket(near, agent.who)
    export = await wish(near, agent, made.id)
    called, forever = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        called.set()
        await forever.wait()

    there.peer.while_making = hang
    first = asyncio.create_task(work(near, export))
    await called.wait()
    job_id = await job_of(near, export)
    async with near.db.unit_of_work() as db:
        # As if its worker had been silent for too long.
        await db.execute(update(Job).where(Job.id == job_id).values(lease_expires_at=func.now()))
    there.peer.while_making = None
    await work(near, export)
    forever.set()
    await first
    found = await now_it_is(near, agent, export)
    assert (found.status, len(there.peer.made)) == ("created", 1)
    async with near.db.session() as db:
        assert (await db.execute(select(func.count()).select_from(ExternalLink))).scalar_one() == 1


async def test_what_passes_is_tried_again_and_what_does_not_is_told(
    near: Resources, there: There, connected: IntegrationOut, agent: Person
) -> None:
    made = await ticket(near, agent.who)
    export = await wish(near, agent, made.id)
    there.peer.faults = [JSONResponse({}, 429, headers={"retry-after": "120"})]
    await work(near, export)
    waiting = await now_it_is(near, agent, export)
    assert (waiting.status, waiting.error) == ("queued", "HTTP 429")
    there.peer.faults = [JSONResponse({"message": "No such project"}, 404)] * 3
    await work(near, export)
    refused = await now_it_is(near, agent, export)
    assert (refused.status, refused.error) == ("failed", "HTTP 404: No such project")
    there.peer.faults = []
    again = await wish(near, agent, made.id, title="Another try")
    assert (again.status, again.export_id) == ("queued", export.export_id)
    await work(near, again)
    assert (await now_it_is(near, agent, export)).status == "created"
    assert "Another try" in there.peer.texts()[0]


async def test_one_that_is_given_up_says_so(
    near: Resources, there: There, connected: IntegrationOut, agent: Person
) -> None:
    export = await wish(near, agent, (await ticket(near, agent.who)).id)
    for _ in range(near.settings.jobs.max_attempts):
        there.peer.faults = [JSONResponse({}, 500)] * 3
        await work(near, export)
    job_id = await job_of(near, export)
    async with near.db.session() as db:
        assert (await db.get_one(Job, job_id)).state == JobState.FAILED
    await give_up_export.handler(near, job_id)
    found = await now_it_is(near, agent, export)
    assert found.status == "failed"
    assert found.error is not None
    assert "Given up after" in found.error


async def test_who_may_pass_on_what(near: Resources, connected: IntegrationOut, agent: Person) -> None:
    made = await ticket(near, agent.who)
    customer = await register(near)
    with pytest.raises(Forbidden, match="Only the support staff"):
        await wish(near, customer, made.id)
    with pytest.raises(TicketMissing):
        await wish(near, agent, 999)
    with pytest.raises(IntegrationMissing):
        await wish(near, agent, made.id, integration_id=10**30)
    with pytest.raises(IntegrationMissing, match="named “Theirs”"):
        await wish(near, agent, made.id, provider=Provider.JIRA, name="Theirs")
    async with near.db.unit_of_work() as db:
        await db.execute(update(Integration).values(enabled=False))
    with pytest.raises(IntegrationDisabled):
        await wish(near, agent, made.id, integration_id=connected.id)
    with pytest.raises(IntegrationMissing, match="No connection is set up"):
        await wish(near, agent, made.id)


async def test_between_several_connections_one_is_named(
    near: Resources, there: There, connected: IntegrationOut, agent: Person
) -> None:
    async with near.db.unit_of_work() as db:
        await service.add(near, db, given=there.given("Theirs"))
    made = await ticket(near, agent.who)
    with pytest.raises(IntegrationMissing, match="say which of “Ours”, “Theirs”"):
        await wish(near, agent, made.id)
    assert (await wish(near, agent, made.id, name="Theirs")).integration == "Theirs"


async def test_a_connection_that_was_switched_off_meanwhile_gets_nothing(
    near: Resources, there: There, connected: IntegrationOut, agent: Person
) -> None:
    export = await wish(near, agent, (await ticket(near, agent.who)).id)
    async with near.db.unit_of_work() as db:
        await db.execute(update(Integration).values(enabled=False))
    await work(near, export)
    assert (await now_it_is(near, agent, export)).status == "failed"
    assert there.peer.made == []
