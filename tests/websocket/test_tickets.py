from app.core.resources import Resources
from tests.factories import people, tickets
from tests.websocket.conftest import Publisher, Server


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
        data = {"ticket_id": ticket.id, "status": "resolved", "updated_by": "mia", "timestamp": "2026-11-21T08:00:00Z"}
        await publisher.push(f"ticket:{ticket.id}", **data)
        assert await client.receive() == {
            "type": "ticket_status_update",
            "protocol": "ticket",
            "success": True,
            "timestamp": "2026-11-21T08:00:00Z",
            "data": data,
            "seq": 1,
        }
