"""A stale copy of a ticket, and what a watcher hears: together they are the ticket as it is, whatever broke between."""

import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.core.auth import Role
from app.core.resources import Resources
from app.core.tasks import configure
from app.models.ticket import Priority, TicketStatus, Visibility
from app.outbox.relay import Relay
from app.outbox.subscriptions import build
from app.tickets import service
from app.tickets.schemas import Categorisation, TicketEdit
from tests.factories import people, tickets
from tests.websocket.conftest import Client, Document, Server, ServerFactory

STEPS = 30
EDITS: list[TicketEdit] = [
    {"title": "VPN is slow"},
    {"description": "It comes and goes."},
    {"priority": Priority.HIGH},
    {"priority": Priority.LOW, "category": "bug"},
    {"team": "network"},
    {"team": None, "tags": ["vpn", "site-2"]},
    {"tags": []},
    {"status": TicketStatus.PENDING},
    {"status": TicketStatus.OPEN, "title": "VPN is down again"},
]


class Copy:
    """What a client keeps of a ticket, and how it applies each message."""

    def __init__(self, ticket: Document) -> None:
        self.fields = ticket
        self.comments: list[str] = []
        self.seqs: list[int] = []

    def apply(self, message: Document) -> None:
        self.seqs.append(message["seq"])
        data = message["data"]
        match message["type"]:
            case "ticket_updated":
                self.fields |= data["changes"]
            case "ticket_status_update":
                self.fields["status"] = data["status"]
            case "ticket_assigned":
                self.fields["assignee"] = data["assigned_to"]
            case "ticket_comment_added":
                self.comments.append(data["content"])
            case "ai_categorization_complete":
                self.fields |= {name: data[name] for name in ("category", "priority", "confidence")}
            case "ticket_deleted":
                self.fields = {}
            case unknown:
                raise ValueError(unknown)


@pytest.fixture
async def relay(resources: Resources) -> AsyncIterator[Relay]:
    configure(resources.settings)
    async with contextlib.aclosing(Relay(resources, build())) as opened:
        yield opened


async def _shown(resources: Resources, person: people.Person, ticket_id: int) -> Copy:
    async with resources.db.session() as db:
        ticket = await service.get(db, person.who, ticket_id)
        comments = await service.comments(db, person.who, ticket_id, limit=100)
    # Not the team: the contract's message of a categorisation does not name it.
    names = {"title", "description", "status", "priority", "category", "tags", "confidence"}
    copy = Copy(ticket.model_dump(mode="json", include=names))
    copy.fields["assignee"] = ticket.assignee.username if ticket.assignee else None
    copy.comments = [comment.body for comment in comments.rows]
    return copy


async def _change(resources: Resources, agent: people.Person, ticket_id: int, step: int, chance: random.Random) -> None:
    async with resources.db.unit_of_work() as db:
        match chance.randrange(5):
            case 0:
                await service.assign(db, agent.who, ticket_id, assignee_id=chance.choice([agent.id, None]))
            case 1:
                seen_by = chance.choice(list(Visibility))
                await service.comment(db, agent.who, ticket_id, body=f"{seen_by} {step}", visibility=seen_by)
            case 2:
                found = Categorisation(category="network", priority=Priority.HIGH, team="it", confidence=step / STEPS)
                await service.attach_categorisation(db, agent.who, ticket_id, found=found, overwrite=True)
            case _:
                await service.update(db, agent.who, ticket_id, edit=chance.choice(EDITS))


async def _drain(client: Client, copy: Copy) -> None:
    """Everything that is on its way: an answer comes after what was sent before it."""
    await client.send("unsubscribe_job", "end", job_id="01890a5d-ac96-774b-bcce-b302099a8058")
    while "seq" in (message := await client.receive(30)):
        copy.apply(message)
    assert message["request_id"] == "end"


async def _hear(server: Server, person: people.Person, ticket_id: int, copy: Copy) -> None:
    """A new socket, from where the copy stands to now."""
    async with server.connect(person.token) as client:
        after = copy.seqs[-1] if copy.seqs else 0
        answer = await client.ask("subscribe_ticket", ticket_id=ticket_id, after=after)
        assert answer["data"]["recovered"] is True
        await _drain(client, copy)


@pytest.mark.parametrize("seed", range(3))
async def test_a_stale_copy_and_the_messages_make_the_ticket_as_it_is(
    server: Server, server_with: ServerFactory, resources: Resources, relay: Relay, seed: int
) -> None:
    chance = random.Random(seed)
    owner, agent = await people.register(resources), await people.register(resources, Role.AGENT)
    ticket_id = (await tickets.ticket(resources, owner.who, category="bug")).id
    copies = {person: await _shown(resources, person, ticket_id) for person in (owner, agent)}
    async with server_with() as second:
        for step in range(STEPS):
            await _change(resources, agent, ticket_id, step, chance)
            if chance.random() < 0.4:
                while (await relay.deliver_batch()).claimed:
                    pass
                for person, copy in copies.items():
                    if chance.random() < 0.6:
                        await _hear(chance.choice([server, second]), person, ticket_id, copy)
        while (await relay.deliver_batch()).claimed:
            pass
        for person, copy in copies.items():
            await _hear(chance.choice([server, second]), person, ticket_id, copy)
            assert copy.seqs == list(range(1, len(copy.seqs) + 1))
            fresh = await _shown(resources, person, ticket_id)
            assert {name: copy.fields[name] for name in fresh.fields} == fresh.fields
            assert copy.comments == fresh.comments


async def test_a_deleted_ticket_says_so_last_and_cannot_be_watched_again(
    server: Server, resources: Resources, relay: Relay
) -> None:
    owner, supervisor = await people.register(resources), await people.register(resources, Role.SUPERVISOR)
    ticket_id = (await tickets.ticket(resources, owner.who, category="bug")).id
    async with server.connect(owner.token) as client:
        await client.ask("subscribe_ticket", ticket_id=ticket_id)
        async with resources.db.unit_of_work() as db:
            await service.delete(db, supervisor.who, ticket_id)
        while (await relay.deliver_batch()).claimed:
            pass
        told: dict[str, Any] = await client.receive()
        assert (told["type"], told["data"]["deleted_by"]) == ("ticket_deleted", supervisor.username)
        taken_away = await client.receive()
        assert (taken_away["type"], taken_away["success"]) == ("subscription_response", False)
        refused = await client.ask("subscribe_ticket", ticket_id=ticket_id, after=0)
        assert taken_away["data"] == refused["data"]
        assert (refused["success"], refused["data"]["code"]) == (False, "ticket_not_found")
