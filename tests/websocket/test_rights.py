"""Rights that end while a connection is open: it ends at once, or what it watched is taken away."""

import asyncio
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import update

from app.accounts import service
from app.accounts.service import logins
from app.core.auth import Role
from app.core.resources import Resources
from app.models.ticket import Ticket
from app.tickets import service as desk
from app.websocket.gather import Gather
from app.websocket.repository import DATABASE_AWAY
from tests.factories import people, tickets
from tests.websocket.conftest import Deliver, Server, ServerFactory, until

UNAUTHENTICATED = 4001
# So long that whatever ends within a test was ended by an event.
NO_ROUNDS = {"recheck_seconds": 60}


async def _listening(server: Server) -> None:
    """Until the process hears of accounts."""
    await until(lambda: "accounts" in server.manager.feeds._feeds)
    await until(lambda: server.manager.feeds._feeds["accounts"].opening is None)


async def _logout(resources: Resources, person: people.Person) -> None:
    family = resources.signer.read(person.token, audience="api").family
    assert family is not None
    async with resources.db.unit_of_work() as db:
        await logins.logout(db, token=None, family_id=UUID(family))


@pytest.mark.parametrize("event", ["logout", "role", "deactivation"])
async def test_who_is_no_longer_who_they_were_is_closed_at_once_in_every_process(
    server_with: ServerFactory, resources: Resources, agent: people.Person, deliver: Deliver, event: str
) -> None:
    admin = await people.register(resources, Role.ADMIN)
    other = await people.register(resources, Role.AGENT)
    async with (
        server_with(NO_ROUNDS) as one,
        server_with(NO_ROUNDS) as two,
        one.connect(agent.token) as here,
        two.connect(agent.token) as there,
        one.connect(other.token) as stays,
    ):
        for client in (here, there, stays):
            await client.ask("get_ticket_status", ticket_id=1)
        for server in (one, two):
            await _listening(server)
        if event == "logout":
            await _logout(resources, agent)
        else:
            changed = {"role": Role.CUSTOMER} if event == "role" else {"active": False}
            async with resources.db.unit_of_work() as db:
                await service.change(db, admin.who, agent.id, **changed)
        await deliver()
        assert await here.closed() == UNAUTHENTICATED
        assert await there.closed() == UNAUTHENTICATED
        assert "data" in await stays.ask("get_ticket_status", ticket_id=1)


async def test_a_stolen_refresh_token_ends_the_connections_of_both(
    server_with: ServerFactory, resources: Resources, agent: people.Person, deliver: Deliver
) -> None:
    async with server_with(NO_ROUNDS) as server:
        await _listening(server)
        async with httpx2.AsyncClient(base_url=f"{server.http}/api/v1", trust_env=False, timeout=60) as http:
            login = {"username": agent.username, "password": people.PASSWORD}
            pair = (await http.post("/auth/login", json=login)).json()
            async with server.connect(pair["access_token"]) as client:
                await client.ask("get_ticket_status", ticket_id=1)
                token = {"refresh_token": pair["refresh_token"]}
                assert (await http.post("/auth/refresh", json=token)).status_code == 200
                assert (await http.post("/auth/refresh", json=token)).status_code == 401
                await deliver()
                assert await client.closed() == UNAUTHENTICATED


async def test_a_process_that_remembers_a_person_forgets_them_when_their_rights_change(
    server_with: ServerFactory, resources: Resources, agent: people.Person, deliver: Deliver
) -> None:
    remembering = resources.settings.auth.model_copy(update={"principal_cache_seconds": 600})
    async with (
        server_with(NO_ROUNDS, auth=remembering) as server,
        httpx2.AsyncClient(base_url=f"{server.http}/api/v1", trust_env=False, timeout=60) as http,
    ):
        await _listening(server)
        assert (await http.get("/users/me", headers=agent.headers)).status_code == 200
        await _logout(resources, agent)
        await deliver()
        async with asyncio.timeout(60):
            while (await http.get("/users/me", headers=agent.headers)).status_code == 200:  # noqa: ASYNC110
                await asyncio.sleep(0.02)


async def test_a_deleted_ticket_takes_its_subscriptions_away_at_once(
    server_with: ServerFactory, resources: Resources, customer: people.Person, deliver: Deliver
) -> None:
    supervisor = await people.register(resources, Role.SUPERVISOR)
    ticket_id = (await tickets.ticket(resources, customer.who)).id
    async with server_with(NO_ROUNDS) as server, server.connect(supervisor.token) as client:
        await client.ask("subscribe_ticket", ticket_id=ticket_id)
        await client.ask("subscribe_presence", ticket_id=ticket_id)
        async with resources.db.unit_of_work() as db:
            await desk.delete(db, supervisor.who, ticket_id)
        await deliver()
        told = [await client.receive() for _ in range(3)]
        assert [message["type"] for message in told] == ["ticket_deleted", *["subscription_response"] * 2]
        for message, protocol in zip(told[1:], ("ticket", "presence"), strict=True):
            assert (message["success"], message["protocol"]) == (False, protocol)
            assert message["data"] == {"code": "ticket_not_found", "ticket_id": ticket_id}
        assert not next(iter(server.manager._connections)).subscriptions


async def test_what_may_no_longer_be_seen_is_taken_away_in_the_next_round_and_the_rest_stays(
    server_with: ServerFactory, resources: Resources, customer: people.Person
) -> None:
    other = await people.register(resources)
    lost, kept = [(await tickets.ticket(resources, customer.who)).id for _ in range(2)]
    async with server_with({"recheck_seconds": 0.1}) as server, server.connect(customer.token) as client:
        for ticket_id in (lost, kept):
            await client.ask("subscribe_ticket", ticket_id=ticket_id)
        async with resources.db.unit_of_work() as db:
            await db.execute(update(Ticket).where(Ticket.id == lost).values(requester_id=other.id))
        taken_away = await client.receive(15)
        assert (taken_away["type"], taken_away["success"]) == ("subscription_response", False)
        assert taken_away["data"] == {"code": "ticket_not_found", "ticket_id": lost}
        assert await client.silent(0.3)
        assert list(next(iter(server.manager._connections)).subscriptions) == [f"ticket:{kept}"]


async def test_questions_that_come_together_are_asked_together() -> None:
    asked: list[list[int]] = []
    free = asyncio.Event()

    async def answers(keys: list[int]) -> dict[int, int]:
        asked.append(keys)
        await free.wait()
        if 13 in keys:
            raise OSError
        return {key: key * 2 for key in keys}

    gather = Gather(answers)
    first = asyncio.create_task(gather.get(1))
    await until(lambda: len(asked) == 1)
    later = [asyncio.create_task(gather.get(key)) for key in (2, 3, 3, 1)]
    left = asyncio.create_task(gather.get(2))
    await asyncio.sleep(0)
    left.cancel()
    free.set()
    assert [await first, *[await one for one in later]] == [2, 4, 6, 6, 2]
    # What came while 1 was asked for is a question of its own: its answer may be another by then.
    assert asked == [[1], [2, 3, 1]]
    with pytest.raises(DATABASE_AWAY):
        await gather.get(13)
    assert await gather.get(4) == 8
    await gather.settled()
