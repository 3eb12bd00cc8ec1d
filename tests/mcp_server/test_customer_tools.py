"""What the desk knows of customer, history and services; what a text claims about them counts for nothing."""

import pytest
from fastmcp.exceptions import ToolError

from app.core.resources import Resources
from app.directory import service as directory
from app.directory.schemas import ProfileIn, ServiceIn
from app.models.directory import ServiceState
from app.models.ticket import TicketStatus
from app.tickets import service as tickets
from tests.factories.people import Person
from tests.factories.tickets import ticket
from tests.mcp_server.calling import call

UNKNOWN = {"known": False, "vip": False, "tier": None, "organisation": None}


async def embed(resources: Resources, number: int) -> None:
    async with resources.db.unit_of_work() as db:
        one = await tickets.get(db, tickets.DESK, number)
        await tickets.keep_vector(db, tickets.DESK, number, version=1, vector=await tickets.vector_of(one))


async def test_who_is_important_is_known_from_the_desk(
    equipped: Resources, ada: Person, ben: Person, agent: Person
) -> None:
    asked = await ticket(equipped, ada.who)
    assert await call(equipped, ada, "check_vip_status") == UNKNOWN
    await equipped.redis.flushdb()
    async with equipped.db.unit_of_work() as db:
        await directory.store_profile(db, ada.id, given=ProfileIn(vip=True, tier="gold"))
    known = {"known": True, "vip": True, "tier": "gold", "organisation": None}
    assert await call(equipped, ada, "check_vip_status") == known
    assert await call(equipped, agent, "check_vip_status", ticket_id=asked.id) == known
    assert await call(equipped, agent, "check_vip_status") == UNKNOWN
    with pytest.raises(ToolError, match="No such ticket"):
        await call(equipped, ben, "check_vip_status", ticket_id=asked.id)


async def test_services_in_trouble_are_told_and_those_that_a_report_names(equipped: Resources, ada: Person) -> None:
    async with equipped.db.unit_of_work() as db:
        await directory.store_service(db, "vpn", given=ServiceIn(state=ServiceState.OUTAGE, aliases=["tunnel"]))
        await directory.store_service(db, "mail", given=ServiceIn(state=ServiceState.DEGRADED))
        await directory.store_service(db, "shop", given=ServiceIn(state=ServiceState.OPERATIONAL))
    found = await call(equipped, ada, "check_service_status", text="The tunnel to the shop is gone.")
    assert [service["name"] for service in found["affected"]] == ["vpn"]
    assert [service["name"] for service in found["troubled"]] == ["mail", "vpn"]
    assert (await call(equipped, ada, "check_service_status"))["affected"] == []
    named = await call(equipped, ada, "extract_entities", text="Der tunnel zum shop ist ist weg, das ist schlecht.")
    assert (named["services"], named["language"], named["sentiment"]) == (["shop", "vpn"], "de", "negative")


async def test_the_same_problem_of_the_same_person_is_met_again(
    equipped: Resources, ada: Person, ben: Person, agent: Person
) -> None:
    text = "The office printer on floor 3 shows E-77."
    first = await ticket(equipped, ada.who, title="Printer offline", description=text)
    await ticket(equipped, ada.who, title="Invoice wrong", description="I was charged twice.")
    strange = await ticket(equipped, ben.who, title="Printer offline", description=text)
    again = await ticket(equipped, ada.who, title="Printer offline again", description=text)
    for one in (first, strange, again):
        await embed(equipped, one.id)
    async with equipped.db.unit_of_work() as db:
        await tickets.change_status(db, agent.who, first.id, status=TicketStatus.RESOLVED)
    for person in (ada, agent):
        found = await call(equipped, person, "get_historical_context", ticket_id=again.id)
        assert (found["tickets_total"], found["tickets_open"], found["resolved"]) == (2, 1, 1)
        assert [one["id"] for one in found["same_problem"]] == [first.id]
    assert (await call(equipped, ben, "get_historical_context"))["same_problem"] == []

    async with equipped.db.unit_of_work() as db:
        await directory.store_profile(db, ada.id, given=ProfileIn(vip=True))
        await directory.store_service(db, "printer", given=ServiceIn(state=ServiceState.OUTAGE))
    await equipped.redis.flushdb()
    plain = await call(equipped, ben, "calculate_priority", text=f"{text} I am a VIP!", category="bug")
    await equipped.redis.flushdb()
    scored = await call(equipped, ada, "calculate_priority", text=text, category="bug", ticket_id=again.id)
    points = {term["name"]: term["points"] for term in scored["terms"]}
    assert (points["vip"], points["active_outage"], points["repeated_contact"]) == (12, 18, 8)
    assert "vip" not in {term["name"] for term in plain["terms"]}
    assert scored["score"] == plain["score"] + 20


async def test_a_solution_is_recommended_word_for_word_or_not_at_all(
    equipped: Resources, ada: Person, ben: Person, agent: Person
) -> None:
    solved = await ticket(equipped, ada.who, title="Printer offline", description="The office printer shows E-77.")
    async with equipped.db.unit_of_work() as db:
        await tickets.comment(db, agent.who, solved.id, body="Restart the print server.")
        await tickets.change_status(db, agent.who, solved.id, status=TicketStatus.RESOLVED)
    await embed(equipped, solved.id)
    found = await call(equipped, ada, "recommend_solution", text="My office printer is offline and shows E-77")
    (solution,) = found["solutions"]
    assert (found["recommended"], solution["quote"]) == (True, "Restart the print server.")
    assert found["confidence"] == solution["likeness"] > 0.55
    for person, text in ((ada, "The coffee machine leaks."), (ben, "My office printer is offline and shows E-77")):
        nothing = await call(equipped, person, "recommend_solution", text=text)
        assert (nothing["recommended"], nothing["solutions"], nothing["confidence"]) == (False, [], 0)
