"""Watching tickets: who may, and what they are told."""

import json

import pytest

from app.core.resources import Resources
from app.models.ticket import TicketStatus, Visibility
from app.tickets import service
from tests.factories import people, tickets
from tests.websocket.conftest import Gate, Publisher, Server, ServerFactory, watched

STATUS = {"status": "resolved", "updated_by": "mia", "timestamp": "2026-11-21T08:00:00Z"}


async def test_a_customer_follows_her_ticket(
    server: Server, resources: Resources, customer: people.Person, publisher: Publisher
) -> None:
    ticket = await tickets.ticket(resources, customer.who)
    async with server.connect(customer.token) as client:
        answer = await client.ask("subscribe_ticket", "r1", ticket_id=ticket.id)
        assert answer == {
            "type": "subscription_response",
            "protocol": "ticket",
            "success": True,
            "timestamp": answer["timestamp"],
            "data": {"ticket_id": ticket.id, "subscribed": True, "seq": 0},
            "request_id": "r1",
        }
        data = {"ticket_id": ticket.id, **STATUS}
        await publisher.push(f"ticket:{ticket.id}", **data)
        assert await client.receive() == {
            "type": "ticket_status_update",
            "protocol": "ticket",
            "success": True,
            "timestamp": "2026-11-21T08:00:00Z",
            "data": data,
            "seq": 1,
        }


async def test_the_ticket_number_may_come_as_text(
    server: Server, resources: Resources, customer: people.Person
) -> None:
    ticket = await tickets.ticket(resources, customer.who)
    async with server.connect(customer.token) as client:
        answer = await client.ask("subscribe_ticket", ticket_id=str(ticket.id))
        assert answer["data"]["ticket_id"] == ticket.id


async def test_another_persons_ticket_is_refused_like_one_that_is_not_there(
    server: Server, resources: Resources, customer: people.Person, publisher: Publisher
) -> None:
    other = await people.register(resources)
    ticket = await tickets.ticket(resources, other.who)
    async with server.connect(customer.token) as client:
        answers = [await client.ask("subscribe_ticket", "r", ticket_id=id_) for id_ in (ticket.id, ticket.id + 1)]
        for answer, asked in zip(answers, (ticket.id, ticket.id + 1), strict=True):
            assert answer == {
                "type": "subscription_response",
                "protocol": "ticket",
                "success": False,
                "timestamp": answer["timestamp"],
                "error": "There is no ticket of this number that you may see.",
                "data": {"code": "ticket_not_found", "ticket_id": asked},
                "request_id": "r",
            }
        await publisher.push(f"ticket:{ticket.id}", ticket_id=ticket.id, **STATUS)
        assert await client.silent()
        status = await client.ask("get_ticket_status", ticket_id=ticket.id)
        assert (status["type"], status["success"], status["protocol"]) == ("error", False, "ticket")
        assert status["data"] == {"code": "ticket_not_found", "ticket_id": ticket.id}


async def test_staff_read_what_is_internal_and_customers_do_not(
    server: Server, resources: Resources, customer: people.Person, agent: people.Person, publisher: Publisher
) -> None:
    ticket = await tickets.ticket(resources, customer.who)
    async with server.connect(customer.token) as outside, server.connect(agent.token) as inside:
        for client in (outside, inside):
            assert (await client.ask("subscribe_ticket", ticket_id=ticket.id))["success"] is True
        await publisher.push(f"ticket:{ticket.id}:staff", ticket_id=ticket.id, **STATUS)
        await publisher.push(f"ticket:{ticket.id}:staff", ticket_id=ticket.id, **STATUS)
        await publisher.push(f"ticket:{ticket.id}", ticket_id=ticket.id, **STATUS)
        assert [(await inside.receive())["seq"] for _ in range(2)] == [1, 2]
        assert (await outside.receive())["seq"] == 1
        assert await outside.silent()


async def test_unsubscribing_ends_the_messages(
    server: Server, resources: Resources, customer: people.Person, publisher: Publisher
) -> None:
    ticket = await tickets.ticket(resources, customer.who)
    async with server.connect(customer.token) as client:
        await client.ask("subscribe_ticket", ticket_id=ticket.id)
        for request_id in ("once", "again"):
            answer = await client.ask("unsubscribe_ticket", request_id, ticket_id=ticket.id)
            assert answer["type"] == "subscription_response"
            assert answer["success"] is True
            assert answer["data"] == {"ticket_id": ticket.id, "subscribed": False}
        assert watched(server) == 0
        await publisher.push(f"ticket:{ticket.id}", ticket_id=ticket.id, **STATUS)
        assert await client.silent()


async def test_leaving_gives_everything_back(server: Server, resources: Resources, customer: people.Person) -> None:
    ticket = await tickets.ticket(resources, customer.who)
    async with server.connect(customer.token) as client:
        await client.ask("subscribe_ticket", ticket_id=ticket.id)
        assert watched(server) == 1
        client.socket.transport.abort()
    await server.idle()
    assert watched(server) == 0


async def test_two_sockets_share_a_feed_and_one_may_leave(
    server: Server, resources: Resources, customer: people.Person, publisher: Publisher
) -> None:
    ticket = await tickets.ticket(resources, customer.who)
    async with server.connect(customer.token) as stays:
        await stays.ask("subscribe_ticket", ticket_id=ticket.id)
        async with server.connect(customer.token) as leaves:
            await leaves.ask("subscribe_ticket", ticket_id=ticket.id)
            assert watched(server) == 1
        await publisher.push(f"ticket:{ticket.id}", ticket_id=ticket.id, **STATUS)
        assert (await stays.receive())["seq"] == 1


async def test_too_many_subscriptions_are_refused(
    server_with: ServerFactory, resources: Resources, customer: people.Person
) -> None:
    ids = [(await tickets.ticket(resources, customer.who)).id for _ in range(3)]
    async with server_with({"max_subscriptions": 2}) as server, server.connect(customer.token) as client:
        for id_ in (ids[0], ids[1], ids[1]):
            assert (await client.ask("subscribe_ticket", ticket_id=id_))["success"] is True
        refused = await client.ask("subscribe_ticket", ticket_id=ids[2])
        assert (refused["success"], refused["data"]["code"]) == (False, "too_many_subscriptions")
        await client.ask("unsubscribe_ticket", ticket_id=ids[0])
        assert (await client.ask("subscribe_ticket", ticket_id=ids[2]))["success"] is True


async def test_the_status_is_told_with_who_brought_it_about(
    server: Server, resources: Resources, customer: people.Person, agent: people.Person
) -> None:
    ticket = await tickets.ticket(resources, customer.who)
    async with server.connect(customer.token) as client:
        fresh = await client.ask("get_ticket_status", "r", ticket_id=ticket.id)
        assert (fresh["type"], fresh["request_id"]) == ("ticket_status_update", "r")
        assert "seq" not in fresh
        assert fresh["data"] == {
            "ticket_id": ticket.id,
            "status": "open",
            "updated_by": customer.username,
            "timestamp": ticket.created_at.isoformat().replace("+00:00", "Z"),
        }
        async with resources.db.unit_of_work() as db:
            await service.change_status(db, agent.who, ticket.id, status=TicketStatus.PENDING)
        async with resources.db.unit_of_work() as db:
            for number in range(110):
                await service.comment(
                    db, agent.who, ticket.id, body=f"still here {number}", visibility=Visibility.PUBLIC
                )
        later = await client.ask("get_ticket_status", ticket_id=ticket.id)
        assert (later["data"]["status"], later["data"]["updated_by"]) == ("pending", agent.username)
        assert set(later["data"]) == {"ticket_id", "status", "updated_by", "timestamp"}


async def test_what_no_relay_published_is_ignored(
    server: Server, resources: Resources, customer: people.Person, publisher: Publisher
) -> None:
    ticket = await tickets.ticket(resources, customer.who)
    channel = f"ticket:{ticket.id}"
    async with server.connect(customer.token) as client:
        await client.ask("subscribe_ticket", ticket_id=ticket.id)
        for junk in ("", "[]", "{}", json.dumps({"channel": channel, "seq": "x"})):
            await resources.redis.publish(f"ws:{channel}", junk)
        await publisher.push(channel, ticket_id=ticket.id, **STATUS)
        assert (await client.receive())["seq"] == 1


@pytest.mark.parametrize("type_", ["subscribe_ticket", "get_ticket_status"])
async def test_while_the_database_is_away_requests_are_told_so(
    server_with: ServerFactory, resources: Resources, customer: people.Person, database_gate: Gate, type_: str
) -> None:
    ticket = await tickets.ticket(resources, customer.who)
    async with server_with(database_url=database_gate.url) as server, server.connect(customer.token) as client:
        assert (await client.ask("get_ticket_status", ticket_id=ticket.id))["success"] is True
        await database_gate.shut()
        answer = await client.ask(type_, ticket_id=ticket.id)
        assert (answer["success"], answer["data"]["code"]) == (False, "unavailable")
        await database_gate.open()
        assert (await client.ask(type_, ticket_id=ticket.id))["success"] is True
