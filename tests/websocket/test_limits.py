"""A reader that does not read, a queue that is full, a server that must stop all the same."""

import asyncio
import itertools
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from app.core.resources import Resources
from app.websocket.manager import SLICES
from app.websocket.session import Session
from tests.factories import people, tickets
from tests.websocket.conftest import Client, Publisher, Server, ServerFactory, until

LONG = "x" * 100_000


@pytest.fixture
async def ticket_id(resources: Resources, customer: people.Person) -> int:
    return (await tickets.ticket(resources, customer.who)).id


@asynccontextmanager
async def _narrow(server: Server, person: people.Person) -> AsyncIterator[Client]:
    """A client whose buffers are small and which reads nothing that it is not made to."""
    pipe = socket.socket()
    pipe.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    pipe.setblocking(False)
    await asyncio.get_running_loop().sock_connect(pipe, ("127.0.0.1", server.port))
    async with server.connect(person.token, sock=pipe, max_queue=1, ping_interval=None) as client:
        yield client


async def _flood(publisher: Publisher, ticket_id: int) -> None:
    """More than all buffers between us and the peer hold."""
    for seq in range(1, 121):
        await publisher.publish(f"ticket:{ticket_id}", seq, content=LONG)


async def test_a_slow_reader_is_closed_with_4008_and_delays_nobody(
    server_with: ServerFactory,
    customer: people.Person,
    publisher: Publisher,
    ticket_id: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.websocket.wire.CLOSE_SECONDS", 30.0)
    async with (
        server_with({"send_queue": 16}) as server,
        _narrow(server, customer) as slow,
        server.connect(customer.token, ping_interval=None) as quick,
    ):
        for client in (slow, quick):
            assert (await client.ask("subscribe_ticket", ticket_id=ticket_id))["success"] is True
        flood = asyncio.create_task(_flood(publisher, ticket_id))
        assert [(await quick.receive())["seq"] for _ in range(120)] == list(range(1, 121))
        await flood
        await until(lambda: server.manager.active_connections == 1)
        assert await slow.closed() == 4008


async def test_a_peer_that_never_reads_again_is_let_go(
    server_with: ServerFactory,
    customer: people.Person,
    publisher: Publisher,
    ticket_id: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.websocket.wire.CLOSE_SECONDS", 0.2)
    async with server_with({"send_queue": 4}) as server, _narrow(server, customer) as slow:
        await slow.ask("subscribe_ticket", ticket_id=ticket_id)
        await _flood(publisher, ticket_id)
        await until(lambda: not server.manager.active_connections)
        await until(lambda: not server.running.server_state.connections)
        slow.socket.transport.abort()


async def test_a_replay_to_one_who_does_not_read_ends_with_4008(
    server_with: ServerFactory,
    customer: people.Person,
    publisher: Publisher,
    ticket_id: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.websocket.manager.PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr("app.websocket.wire.CLOSE_SECONDS", 30.0)
    await publisher.keep_many(f"ticket:{ticket_id}", 120, content=LONG)
    async with server_with({"send_queue": 4}) as server, _narrow(server, customer) as slow:
        await slow.send("subscribe_ticket", ticket_id=ticket_id, after=0)
        await until(lambda: not server.manager.active_connections)
        assert await slow.closed() == 4008


async def test_a_server_stops_in_time_though_a_peer_does_not_read(
    server_with: ServerFactory,
    customer: people.Person,
    publisher: Publisher,
    ticket_id: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.websocket.wire.CLOSE_SECONDS", 0.2)
    async with server_with({"send_queue": 200}) as server, _narrow(server, customer) as slow:
        await slow.ask("subscribe_ticket", ticket_id=ticket_id)
        await _flood(publisher, ticket_id)
        started = time.monotonic()
        server.running.should_exit = True
        await until(lambda: not server.running.server_state.connections)
        assert time.monotonic() - started < 10
        slow.socket.transport.abort()


async def test_a_peer_that_is_pinged_and_silent_is_dropped(server_with: ServerFactory, customer: people.Person) -> None:
    async with server_with({"ping_seconds": 0.2}) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(
            f"GET /ws?token={customer.token} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        assert b"101" in await reader.readline()
        await until(lambda: server.manager.active_connections == 1)
        await server.idle()
        writer.close()


async def test_everybody_has_a_whole_round_to_answer_a_ping_whoever_comes_and_goes(
    server_with: ServerFactory, customer: people.Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: dict[Session, list[float]] = {}
    check = Session.check

    def noted(session: Session) -> None:
        checked.setdefault(session, []).append(asyncio.get_running_loop().time())
        check(session)

    monkeypatch.setattr(Session, "check", noted)
    async with server_with({"ping_seconds": 0.5}) as server, server.connect(customer.token):
        for _ in range(4):
            async with AsyncExitStack() as stack:
                for _ in range(8):
                    await stack.enter_async_context(server.connect(customer.token))
                await asyncio.sleep(0.3)
    rounds = [later - sooner for times in checked.values() for sooner, later in itertools.pairwise(times)]
    assert rounds
    # Timers may run a little early, never by a portion of a round.
    assert min(rounds) > 0.5 - 0.5 / SLICES


async def test_a_peer_that_answers_pings_stays(server_with: ServerFactory, customer: people.Person) -> None:
    async with server_with({"ping_seconds": 0.1}) as server, server.connect(customer.token) as client:
        assert await client.silent(0.6)
        assert server.manager.active_connections == 1
