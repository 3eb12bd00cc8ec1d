"""One operation on many tickets: so many at a time, each once, whatever happens in between."""

import uuid
from typing import Any

import httpx2
from sqlalchemy import func, select

from app.agents import service
from app.core.resources import Resources
from app.models.agent import AgentRun, RunStatus
from app.tickets import service as tickets
from tests.agents.models import TRIAGE, Script, calling, refusing
from tests.factories.people import Person
from tests.factories.runs import working

BATCH = "/api/v1/agent/batch"


async def make_tickets(resources: Resources, person: Person, count: int) -> list[int]:
    async with resources.db.unit_of_work() as db:
        made = [
            await tickets.create(
                db, person.who, title=f"Printer {n}", description="It jams.", category=None, priority=None,
                team=None, tags=[], confidence=None,
            )
            for n in range(count)
        ]  # fmt: skip
        return [one.id for one in made]


async def under_way(resources: Resources) -> list[AgentRun]:
    async with resources.db.session() as db:
        query = select(AgentRun).where(AgentRun.status == RunStatus.QUEUED).order_by(AgentRun.id)
        return list((await db.execute(query)).scalars())


async def start(client: httpx2.AsyncClient, person: Person, **body: Any) -> httpx2.Response:
    headers = {**person.headers, "Idempotency-Key": "one"}
    return await client.post(BATCH, json={"operation": "categorize", **body}, headers=headers)


async def test_a_batch_runs_so_many_at_a_time_and_ends_with_all(
    equipped: Resources, client: httpx2.AsyncClient, ada: Person
) -> None:
    numbers = await make_tickets(equipped, ada, 5)
    started = await start(client, ada, tickets=numbers, parallelism=2)
    again = await start(client, ada, tickets=numbers, parallelism=2)
    assert (started.status_code, again.json()) == (202, started.json())
    script = Script([calling("final_result", **TRIAGE), refusing(401), calling("final_result", **TRIAGE)])
    while runs := await under_way(equipped):
        assert len(runs) <= 2
        await service.execute(equipped, runs[0].job_id, resolve=script.resolve)
        # A message that comes twice finds nothing to do.
        await service.execute(equipped, runs[0].job_id, resolve=script.resolve)
    shown = (await client.get(started.headers["Location"], headers=ada.headers)).json()
    counts = [shown[name] for name in ("status", "total", "pending", "running", "completed", "failed")]
    assert counts == ["completed", 5, 0, 0, 4, 1]
    assert [item["ticket_id"] for item in shown["items"]] == numbers
    assert shown["items"][0]["result"]["category"] == "incident"
    async with equipped.db.session() as db:
        assert (await db.execute(select(func.count()).select_from(AgentRun))).scalar_one() == 5


async def test_a_batch_is_carried_out_by_the_workers(
    equipped: Resources, client: httpx2.AsyncClient, ada: Person
) -> None:
    numbers = await make_tickets(equipped, ada, 3)
    place = (await start(client, ada, tickets=numbers, parallelism=1)).headers["Location"]
    async with working(equipped):
        while (shown := (await client.get(place, headers=ada.headers)).json())["status"] != "completed":
            continue
    assert (shown["completed"], shown["failed"]) == (3, 0)


async def test_a_batch_given_up_in_one_place_goes_on_in_the_next(
    equipped: Resources, client: httpx2.AsyncClient, ada: Person
) -> None:
    numbers = await make_tickets(equipped, ada, 2)
    await start(client, ada, tickets=numbers, parallelism=1)
    (first,) = await under_way(equipped)
    await service.give_up(equipped, first.job_id)
    (second,) = await under_way(equipped)
    assert second.id != first.id


async def test_nobody_gets_at_others_tickets_or_batches_and_nothing_is_changed_by_one(
    equipped: Resources, client: httpx2.AsyncClient, ada: Person, ben: Person
) -> None:
    numbers = await make_tickets(equipped, ada, 1)
    foreign = await start(client, ben, tickets=numbers)
    assert (foreign.status_code, foreign.json()["code"]) == (404, "ticket_not_found")
    assert await under_way(equipped) == []
    place = (await start(client, ada, tickets=numbers)).headers["Location"]
    assert (await client.get(place, headers=ben.headers)).status_code == 404
    assert (await client.get(f"{BATCH}/{uuid.uuid4()}", headers=ada.headers)).json()["code"] == "batch_not_found"
    refused = await client.post(BATCH, json={"operation": "create_ticket", "tickets": numbers}, headers=ada.headers)
    assert (refused.status_code, refused.json()["code"]) == (422, "batch_operation_refused")
