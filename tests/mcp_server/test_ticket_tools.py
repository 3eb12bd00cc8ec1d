import asyncio
import uuid
from typing import Any

import pytest
from fastmcp.exceptions import ToolError
from sqlalchemy import func, select

from app.agents import service as agents
from app.core.resources import Resources
from app.inference.operations import Operation
from app.models.agent import AgentRun
from app.models.file import File
from app.models.outbox import OutboxRow
from app.models.ticket import Ticket, TicketStatus
from app.tickets import service as tickets
from tests.factories.people import Person
from tests.factories.recognised import add_file
from tests.factories.tickets import ticket
from tests.mcp_server.calling import call

DRAFT: dict[str, Any] = {"title": "Checkout fails", "description": "ERR_PAYMENT_504 since noon."}


async def a_run(resources: Resources, person: Person) -> AgentRun:
    run, _again = await agents.ask(
        resources.db, person.who, operation=Operation.CREATE_TICKET, document={"user_input": "x"}, files=[]
    )
    return run


async def test_a_ticket_is_opened_for_the_person_with_all_that_was_found(equipped: Resources, ada: Person) -> None:
    file_id = await add_file(equipped, ada.who)
    made = await call(
        equipped,
        ada,
        "create_ticket",
        **DRAFT,
        category="incident",
        priority="critical",
        team="operations",
        tags=["payment"],
        file_ids=[str(file_id)],
        confidence=0.8,
    )
    assert made == {
        "ticket_id": 1,
        "created": True,
        **DRAFT,
        "category": "incident",
        "priority": "critical",
        "team": "operations",
        "tags": ["payment"],
        "status": "open",
    }
    async with equipped.db.session() as db:
        kept = await tickets.get(db, ada.who, 1)
        assert (kept.requester.username, kept.confidence) == ("ada", 0.8)
        assert (await db.get_one(File, file_id)).ticket_id == 1
        events = (await db.execute(select(OutboxRow.type).where(OutboxRow.aggregate == "ticket:1"))).scalars().all()
    assert events == ["ticket.created"]


async def test_a_run_opens_one_ticket_however_often_it_asks(equipped: Resources, ada: Person) -> None:
    run = await a_run(equipped, ada)
    first = await call(equipped, ada, "create_ticket", **DRAFT, run_id=run.id)
    again = await call(equipped, ada, "create_ticket", run_id=run.id, title="Another", description="words")
    assert again == {**first, "created": False}
    async with equipped.db.session() as db:
        assert (await db.execute(select(func.count()).select_from(Ticket))).scalar_one() == 1
        assert (await db.get_one(AgentRun, run.id)).ticket_id == first["ticket_id"]


async def test_calls_of_one_run_at_the_same_time_open_one_ticket(equipped: Resources, ada: Person) -> None:
    run = await a_run(equipped, ada)
    made = await asyncio.gather(*(call(equipped, ada, "create_ticket", **DRAFT, run_id=run.id) for _ in range(4)))
    assert {one["ticket_id"] for one in made} == {1}
    assert sorted(one["created"] for one in made) == [False, False, False, True]


async def test_without_a_run_each_call_opens_a_ticket(equipped: Resources, ada: Person) -> None:
    made = [await call(equipped, ada, "create_ticket", **DRAFT) for _ in range(2)]
    assert [one["ticket_id"] for one in made] == [1, 2]


async def test_a_token_for_somebody_elses_run_opens_nothing(equipped: Resources, ada: Person, agent: Person) -> None:
    run = await a_run(equipped, ada)
    for run_id in (run.id, uuid.uuid4()):
        with pytest.raises(ToolError, match="no agent run of this id"):
            await call(equipped, agent, "create_ticket", **DRAFT, run_id=run_id)


async def test_somebody_elses_file_is_not_attached_and_nothing_is_opened(
    equipped: Resources, ada: Person, ben: Person
) -> None:
    foreign = await add_file(equipped, ben.who)
    with pytest.raises(ToolError, match="file"):
        await call(equipped, ada, "create_ticket", **DRAFT, file_ids=[str(foreign)])
    async with equipped.db.session() as db:
        assert (await db.execute(select(func.count()).select_from(Ticket))).scalar_one() == 0


async def test_a_file_that_is_on_a_ticket_stays_on_it(equipped: Resources, ada: Person) -> None:
    first = await ticket(equipped, ada.who)
    file_id = await add_file(equipped, ada.who, ticket_id=first.id)
    await call(equipped, ada, "create_ticket", **DRAFT, file_ids=[str(file_id)])
    async with equipped.db.session() as db:
        assert (await db.get_one(File, file_id)).ticket_id == first.id


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"title": " ", "description": "d"}, "title"),
        ({"title": "t"}, "description"),
        ({**DRAFT, "priority": "urgent"}, "priority"),
        ({**DRAFT, "category": "Not A Slug"}, "category"),
        ({**DRAFT, "confidence": 1.5}, "confidence"),
        ({**DRAFT, "file_ids": ["no-uuid"]}, "file_ids"),
        ({**DRAFT, "file_ids": [str(uuid.UUID(int=7))] * 21}, "file_ids"),
        ({**DRAFT, "description": "a\x00b"}, "NUL"),
    ],
)
async def test_bad_arguments_are_told_to_the_model(
    equipped: Resources, ada: Person, arguments: dict[str, Any], named: str
) -> None:
    with pytest.raises(ToolError, match=named):
        await call(equipped, ada, "create_ticket", **arguments)


async def test_a_person_finds_only_what_they_may_see(
    equipped: Resources, ada: Person, ben: Person, agent: Person
) -> None:
    own = await ticket(equipped, ada.who, title="VPN tunnel drops")
    await ticket(equipped, ben.who, title="VPN tunnel is slow")
    found = await call(equipped, ada, "search_tickets", query="VPN tunnel")
    assert [(one["id"], one["title"]) for one in found] == [(own.id, "VPN tunnel drops")]
    assert len(await call(equipped, agent, "search_tickets", query="VPN tunnel")) == 2
    assert len(await call(equipped, agent, "search_tickets", query="VPN tunnel", limit=1)) == 1
    assert (await call(equipped, ada, "get_ticket", ticket_id=own.id))["title"] == "VPN tunnel drops"


async def test_what_means_the_same_is_found_without_a_common_word(equipped: Resources, agent: Person) -> None:
    alike = await ticket(equipped, agent.who, title="Cannot sign in", description="My password is refused.")
    await ticket(equipped, agent.who, title="Invoice wrong", description="The amount of the bill is too high.")
    async with equipped.db.unit_of_work() as db:
        for ticket_id in (1, 2):
            row = await tickets.get(db, agent.who, ticket_id)
            await tickets.keep_vector(
                db, tickets.DESK, ticket_id, version=row.version, vector=await tickets.vector_of(row)
            )
    found = await call(equipped, agent, "find_similar_tickets", text="login does not accept credentials", limit=1)
    assert [one["id"] for one in found] == [alike.id]
    by_query = await call(equipped, agent, "search_tickets", query="login does not accept credentials")
    assert by_query[0]["id"] == alike.id
    assert by_query[0]["score"] > 0.3
    others = await call(equipped, agent, "find_similar_tickets", ticket_id=alike.id)
    assert [one["id"] for one in others] == [2]


async def test_similar_to_what_must_be_said(equipped: Resources, ada: Person) -> None:
    with pytest.raises(ToolError, match="either a text or a ticket_id"):
        await call(equipped, ada, "find_similar_tickets")


async def test_a_comment_is_the_persons_own(equipped: Resources, ada: Person, agent: Person) -> None:
    own = await ticket(equipped, ada.who)
    said = await call(equipped, ada, "add_comment", ticket_id=own.id, body="Still broken.")
    assert (said["author"]["username"], said["visibility"]) == ("ada", "public")
    with pytest.raises(ToolError, match="Internal comments are for the support staff"):
        await call(equipped, ada, "add_comment", ticket_id=own.id, body="psst", visibility="internal")
    said = await call(equipped, agent, "add_comment", ticket_id=own.id, body="psst", visibility="internal")
    assert said["visibility"] == "internal"


async def test_an_edit_is_held_to_the_version_that_was_read_and_to_the_persons_rights(
    equipped: Resources, ada: Person, agent: Person
) -> None:
    own = await ticket(equipped, ada.who)
    edited = await call(
        equipped, agent, "update_ticket", ticket_id=own.id, version=1, priority="high", status="in_progress"
    )
    assert (edited["priority"], edited["status"], edited["version"]) == ("high", TicketStatus.IN_PROGRESS, 2)
    with pytest.raises(ToolError, match="changed this meanwhile"):
        await call(equipped, agent, "update_ticket", ticket_id=own.id, version=1, priority="low")
    with pytest.raises(ToolError, match="Only the support staff"):
        await call(equipped, ada, "update_ticket", ticket_id=own.id, version=2, priority="low")
    with pytest.raises(ToolError, match="at least one field"):
        await call(equipped, ada, "update_ticket", ticket_id=own.id, version=2)


async def test_what_one_may_not_see_is_not_there(equipped: Resources, ada: Person, ben: Person) -> None:
    own = await ticket(equipped, ada.who)
    for tool, more in (
        ("get_ticket", {}),
        ("add_comment", {"body": "hi"}),
        ("update_ticket", {"version": 1, "title": "t"}),
        ("find_similar_tickets", {}),
    ):
        with pytest.raises(ToolError, match="no ticket of this number"):
            await call(equipped, ben, tool, ticket_id=own.id, **more)
