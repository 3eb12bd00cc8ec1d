"""Who gets a connection, and for how long."""

import asyncio
import json
import logging
from dataclasses import replace
from datetime import timedelta

import httpx2
import pytest
from pydantic import SecretStr
from sqlalchemy import update

from app.core.auth import Role
from app.core.clock import now
from app.core.resources import NotConfigured, Resources
from app.models.user import LoginFamily, User
from app.websocket.manager import open_manager
from app.websocket.message_router import MessageRouter
from tests.factories import people, tickets
from tests.websocket.conftest import Client, Gate, Server, ServerFactory

UNAUTHENTICATED = 4001
TRY_AGAIN = 1013


async def _works(client: Client) -> bool:
    return (await client.ask("get_ticket_status", ticket_id=1))["type"] in ("error", "ticket_status_update")


async def test_a_token_in_the_address_opens_the_connection(server: Server, customer: people.Person) -> None:
    async with server.connect(customer.token) as client:
        assert await client.silent(0.05)
        assert await _works(client)


async def test_a_token_as_the_first_message_opens_the_connection(server: Server, customer: people.Person) -> None:
    async with server.connect(None) as client:
        answer = await client.ask("authenticate", 7, token=customer.token)
        assert answer["type"] == "authentication_response"
        assert answer["success"] is True
        assert answer["request_id"] == 7
        assert answer["data"] == {"username": customer.username, "role": "customer"}
        assert await _works(client)


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c", "%00"])
async def test_a_bad_token_in_the_address_is_closed_with_4001(server: Server, token: str) -> None:
    async with server.connect(token) as client:
        assert await client.closed() == UNAUTHENTICATED


async def test_forged_expired_and_foreign_tokens_are_closed_with_4001(
    server: Server, resources: Resources, customer: people.Person
) -> None:
    hour = timedelta(hours=1)
    mint = resources.signer.mint
    bad = [
        customer.token[:-4] + "AAAA",
        mint(customer.id, audience="api", lifetime=-hour),
        mint(customer.id, audience="api", lifetime=hour),
        mint(customer.id, audience="mcp", lifetime=hour, scopes=frozenset({"tickets:read"})),
    ]
    for token in bad:
        async with server.connect(token) as client:
            assert await client.closed() == UNAUTHENTICATED
        async with server.connect(None) as client:
            await client.send("authenticate", token=token)
            assert await client.closed() == UNAUTHENTICATED


@pytest.mark.parametrize(
    "first",
    [
        b"\x00\x01",
        "not json",
        "[]",
        json.dumps({"type": "subscribe_ticket", "data": {"ticket_id": 1}}),
        json.dumps({"type": "authenticate", "data": {}}),
    ],
)
async def test_a_first_message_without_a_token_is_closed_with_4001(server: Server, first: bytes | str) -> None:
    async with server.connect(None) as client:
        await client.socket.send(first)
        assert await client.closed() == UNAUTHENTICATED


async def test_silence_instead_of_a_token_is_closed_with_4001(server_with: ServerFactory) -> None:
    async with server_with({"auth_seconds": 0.1}) as server, server.connect(None) as client:
        assert await client.closed() == UNAUTHENTICATED


async def test_leaving_before_the_token_leaves_nothing_behind(server: Server) -> None:
    async with server.connect(None):
        pass
    await server.idle()


async def test_an_ended_login_ends_the_connection(
    server_with: ServerFactory, resources: Resources, customer: people.Person
) -> None:
    async with server_with({"recheck_seconds": 0.1}) as server, server.connect(customer.token) as client:
        assert await client.silent(0.3)
        async with resources.db.unit_of_work() as db:
            await db.execute(update(LoginFamily).values(revoked_at=now()))
        assert await client.closed() == UNAUTHENTICATED


async def test_an_ended_login_ends_the_connection_of_one_who_never_stops_talking(
    server_with: ServerFactory, resources: Resources, customer: people.Person
) -> None:
    async with server_with({"recheck_seconds": 0.1}) as server, server.connect(customer.token) as client:
        async with resources.db.unit_of_work() as db:
            await db.execute(update(LoginFamily).values(revoked_at=now()))

        async def talk() -> None:
            while True:
                await client.socket.send("{}")
                await asyncio.sleep(0.001)

        talking = asyncio.create_task(talk())
        assert await client.closed() == UNAUTHENTICATED
        await asyncio.wait([talking])
        assert talking.exception() is not None


async def test_a_token_that_expires_ends_the_connection_unless_a_new_one_is_sent(
    server_with: ServerFactory, resources: Resources, customer: people.Person
) -> None:
    claims = resources.signer.read(customer.token, audience="api")
    short = resources.signer.mint(customer.id, audience="api", lifetime=timedelta(seconds=2), family=claims.family)
    async with (
        server_with({"recheck_seconds": 0.1}) as server,
        server.connect(short) as one,
        server.connect(short) as two,
    ):
        assert (await two.ask("authenticate", token=customer.token))["type"] == "authentication_response"
        assert await one.closed() == UNAUTHENTICATED
        assert await _works(two)


async def test_a_changed_role_begins_anew(
    server_with: ServerFactory, resources: Resources, customer: people.Person
) -> None:
    async with server_with({"recheck_seconds": 0.1}) as server, server.connect(customer.token) as client:
        assert await _works(client)
        async with resources.db.unit_of_work() as db:
            await db.execute(update(User).where(User.id == customer.id).values(role=Role.AGENT))
        assert await client.closed() == UNAUTHENTICATED


async def test_another_persons_token_does_not_take_over_the_connection(
    server: Server, customer: people.Person, agent: people.Person
) -> None:
    async with server.connect(customer.token) as client:
        await client.send("authenticate", token=agent.token)
        assert await client.closed() == UNAUTHENTICATED


async def test_while_the_database_is_away_nobody_new_comes_in(
    server_with: ServerFactory, customer: people.Person
) -> None:
    nowhere = SecretStr("postgresql://nobody@127.0.0.1:9/nothing")
    async with server_with(database_url=nowhere) as server, server.connect(customer.token) as client:
        assert await client.closed() == TRY_AGAIN


async def test_while_the_database_is_away_those_who_are_in_stay_in(
    server_with: ServerFactory, customer: people.Person, database_gate: Gate
) -> None:
    settings = {"recheck_seconds": 0.1}
    async with (
        server_with(settings, database_url=database_gate.url) as server,
        server.connect(customer.token) as client,
    ):
        assert await _works(client)
        await database_gate.shut()
        assert await client.silent(0.3)
        answer = await client.ask("authenticate", 5, token=customer.token)
        assert (answer["type"], answer["request_id"], answer["data"]["code"]) == ("error", 5, "unavailable")
        await database_gate.open()
        assert await _works(client)


async def test_a_token_in_the_address_is_not_logged(
    server: Server, customer: people.Person, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        async with server.connect(customer.token) as client:
            assert await _works(client)
        await server.idle()
    assert customer.token not in caplog.text


async def test_health_counts_the_connections(server: Server, resources: Resources, customer: people.Person) -> None:
    await tickets.ticket(resources, customer.who)
    async with httpx2.AsyncClient(base_url=server.http, trust_env=False) as http:
        for path in ("/api/v1/websocket/health", "/websocket/health"):
            assert (await http.get(path)).json() == {"status": "ok", "active_connections": 0}
        async with server.connect(customer.token) as one, server.connect(customer.token) as two:
            assert await _works(one)
            assert await _works(two)
            assert (await http.get("/api/v1/websocket/health")).json()["active_connections"] == 2
        await server.idle()
        assert (await http.get("/api/v1/websocket/health")).json()["active_connections"] == 0


async def test_a_manager_that_stops_closes_its_sockets(server_with: ServerFactory, customer: people.Person) -> None:
    async with server_with() as server, server.connect(customer.token) as client:
        assert await _works(client)
        await server.manager.shutdown()
        assert server.manager.active_connections == 0
        assert await client.closed() == 1012


async def test_a_mistake_of_ours_is_closed_with_1011_and_raised(
    server: Server, customer: people.Person, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_args: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(MessageRouter, "handle", broken)
    async with server.connect(customer.token) as client:
        await client.send("get_ticket_status", ticket_id=1)
        assert await client.closed() == 1011
    await server.idle()
    assert "ZeroDivisionError" in caplog.text


async def test_without_redis_there_is_no_manager(resources: Resources) -> None:
    nowhere = resources.settings.model_copy(update={"redis_url": None})
    with pytest.raises(NotConfigured):
        async with open_manager(replace(resources, settings=nowhere)):
            pass


async def test_a_restarting_server_says_so(server_with: ServerFactory, customer: people.Person) -> None:
    async with server_with() as server, server.connect(customer.token) as client:
        assert await _works(client)
        server.running.should_exit = True
        assert await client.closed() == 1012
