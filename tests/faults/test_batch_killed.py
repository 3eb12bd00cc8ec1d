"""A batch of agents' runs whose worker is killed in the middle: every ticket has its one run, and it ends."""

import pytest
from sqlalchemy import text

from app.embedded.process import free_port
from tests.factories.people import register
from tests.factories.tickets import ticket
from tests.faults.site import Site
from tests.faults.test_product import PATIENT, started_api

TICKETS = 16
"""Enough for the kill to come in the middle on a quick machine too."""
pytestmark = pytest.mark.timeout(400)


async def test_a_batch_is_finished_by_another_worker_and_no_ticket_has_two_runs(site: Site) -> None:
    tools = {"EVIDESK_MCP_PORT": str(free_port())}
    for name, module in (("api", "app.commands.api"), ("relay", "app.commands.relay"), ("mcp", "mcp_server")):
        site.start(name, module, **tools)
    person = await register(site.resources)
    numbers = [(await ticket(site.resources, person.who, title=f"Printer {n} jams")).id for n in range(TICKETS)]
    async with started_api(site) as client:
        first = site.start("first", "app.commands.worker", **tools, **PATIENT)
        asked = {"operation": "categorize", "tickets": numbers, "parallelism": 2}
        started = await client.post("/api/v1/agent/batch", json=asked, headers=person.headers)
        assert started.status_code == 202, started.text
        await site.until_row("SELECT count(*) >= 1 FROM agent_runs WHERE status = 'completed'")
        await site.until_row("SELECT count(*) >= 1 FROM agent_runs WHERE status = 'running'")
        site.kill(first)
        site.start("second", "app.commands.worker", **tools, **PATIENT)

        async def ended() -> bool:
            shown = await client.get(started.headers["Location"], headers=person.headers)
            return bool(shown.json()["status"] == "completed")

        await site.until(ended, "the batch ends")
        shown = (await client.get(started.headers["Location"], headers=person.headers)).json()
    assert (shown["completed"], shown["failed"], len(shown["items"])) == (TICKETS, 0, TICKETS)
    async with site.resources.db.session() as db:
        runs = (await db.execute(text("SELECT status, count(*) FROM agent_runs GROUP BY status"))).all()
        places = (await db.execute(text("SELECT count(DISTINCT run_id) FROM agent_batch_items"))).scalar_one()
    assert [tuple(run) for run in runs] == [("completed", TICKETS)]
    assert places == TICKETS
