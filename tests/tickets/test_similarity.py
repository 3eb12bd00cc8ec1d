"""Tickets that are like one another, among those that the asker may see."""

import httpx2
import pytest
from sqlalchemy import select

from app.core.resources import Resources
from app.inference import embedding
from app.models.ticket import TicketEmbedding, TicketStatus
from app.tickets import service
from app.tickets.schemas import TicketOut
from app.tickets.service import similarity
from app.tickets.tasks import embed_ticket
from tests.factories.people import Person
from tests.factories.tickets import ticket
from tests.tickets.conftest import People


@pytest.fixture
async def desk(resources: Resources, people: People) -> dict[str, TicketOut]:
    carla, sam = people.customer.who, people.stranger.who
    return {
        "vpn": await ticket(resources, carla, title="VPN is down", description="The tunnel drops, error E-4012"),
        "tunnel": await ticket(
            resources, carla, title="No remote access", description="My secure tunnel keeps disconnecting, E-4012"
        ),
        "bill": await ticket(resources, carla, title="Charged twice", description="Two payments for one invoice"),
        "other": await ticket(resources, sam, title="VPN again", description="The tunnel drops every hour, E-4012"),
    }


async def similar(api: httpx2.AsyncClient, who: Person, one: TicketOut, limit: int = 5) -> list[tuple[int, str]]:
    answer = await api.get(f"/api/v1/tickets/{one.id}/similar?limit={limit}", headers=who.headers)
    assert answer.status_code == 200, answer.text
    scores = [found["score"] for found in answer.json()]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    return [(found["id"], found["matched_by"]) for found in answer.json()]


async def test_without_a_vector_words_are_compared(
    api: httpx2.AsyncClient, people: People, desk: dict[str, TicketOut]
) -> None:
    found = await similar(api, people.agent, desk["vpn"])
    assert found[0] == (desk["other"].id, "text")
    assert {ticket_id for ticket_id, _ in found} == {desk["other"].id, desk["tunnel"].id}
    assert await similar(api, people.customer, desk["vpn"]) == [(desk["tunnel"].id, "text")]


async def test_with_vectors_meaning_is_compared_and_access_is_kept(
    api: httpx2.AsyncClient, people: People, resources: Resources, desk: dict[str, TicketOut]
) -> None:
    for one in desk.values():
        await embed_ticket.handler(resources, one.id)
    found = await similar(api, people.agent, desk["vpn"])
    assert found == [(desk[name].id, "vector") for name in ("other", "tunnel", "bill")]
    assert await similar(api, people.agent, desk["vpn"], limit=1) == found[:1]
    assert await similar(api, people.customer, desk["vpn"]) == [
        (desk["tunnel"].id, "vector"),
        (desk["bill"].id, "vector"),
    ]
    stranger = await api.get(f"/api/v1/tickets/{desk['vpn'].id}/similar", headers=people.stranger.headers)
    assert stranger.json()["code"] == "ticket_not_found"
    async with resources.db.unit_of_work() as db:
        await service.change_status(db, people.agent.who, desk["bill"].id, status=TicketStatus.RESOLVED)
        text = "I paid the same bill two times"
        liked = await service.find_similar(db, people.agent.who, text=text, limit=2)
        resolved = await service.find_similar(db, people.agent.who, text=text, statuses=[TicketStatus.RESOLVED])
        hidden = await service.find_similar(db, people.stranger.who, text=text)
    assert liked[0].id == desk["bill"].id
    assert [one.id for one in resolved] == [desk["bill"].id]
    assert [one.id for one in hidden] == [desk["other"].id]


async def test_a_vector_is_made_again_only_for_a_later_version(
    people: People, resources: Resources, desk: dict[str, TicketOut]
) -> None:
    one = desk["vpn"]

    async def kept() -> TicketEmbedding:
        async with resources.db.session() as db:
            return (await db.execute(select(TicketEmbedding))).scalar_one()

    await embed_ticket.handler(resources, one.id)
    first = await kept()
    assert (first.ticket_version, first.model) == (1, "all-MiniLM-L6-v2")
    async with resources.db.unit_of_work() as db:
        edited = await service.update(db, people.agent.who, one.id, edit={"title": "Printer on fire"})
    await embed_ticket.handler(resources, one.id)
    second = await kept()
    assert second.ticket_version == edited.version
    assert list(second.vector) != list(first.vector)
    async with resources.db.unit_of_work() as db:
        await service.keep_vector(db, service.DESK, one.id, version=1, vector=list(first.vector))
    assert (await kept()).ticket_version == edited.version


async def test_a_ticket_that_is_gone_is_not_embedded(
    people: People, resources: Resources, desk: dict[str, TicketOut]
) -> None:
    async with resources.db.unit_of_work() as db:
        await service.delete(db, people.admin.who, desk["vpn"].id)
    await embed_ticket.handler(resources, desk["vpn"].id)
    async with resources.db.session() as db:
        assert (await db.execute(select(TicketEmbedding))).all() == []


async def test_where_the_model_cannot_be_had_words_do(
    people: People, resources: Resources, desk: dict[str, TicketOut], monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    bare = embedding.MiniLmEmbedder(tmp_path)  # type: ignore[arg-type] # an empty directory
    monkeypatch.setattr(similarity, "default_embedder", lambda: bare)
    async with resources.db.session() as db:
        found = await service.find_similar(db, people.agent.who, text="two payments?", limit=3)
        nothing = await service.find_similar(db, people.agent.who, text="?!", limit=3)
    assert [(one.id, one.matched_by) for one in found] == [(desk["bill"].id, "text")]
    assert nothing == []


async def test_search_prefers_the_best_match_and_tries_words_one_by_one(
    people: People, resources: Resources, desk: dict[str, TicketOut]
) -> None:
    async with resources.db.session() as db:
        together = await service.search(db, people.agent.who, text="tunnel drops")
        apart = await service.search(db, people.customer.who, text="does the tunnel melt")
        resolved = await service.search(db, people.agent.who, text="tunnel", statuses=[TicketStatus.RESOLVED])
        hidden = await service.search(db, people.stranger.who, text="invoice")
    assert {one.id for one in together} == {desk["vpn"].id, desk["other"].id}
    assert desk["tunnel"].id in {one.id for one in apart}
    assert desk["other"].id not in {one.id for one in apart}
    assert (resolved, hidden) == ([], [])
