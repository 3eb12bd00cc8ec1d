"""Who is at a ticket: told to the staff, in every process, and no longer than it is so."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import SecretStr

from app.core.auth import Role
from app.core.resources import Resources
from app.embedded.redis import EmbeddedRedis
from app.websocket import presence as module
from app.websocket.presence import Presence
from tests.factories import people, tickets
from tests.websocket.conftest import Client, Document, Server, ServerFactory, until


@pytest.fixture
async def ticket_id(resources: Resources, customer: people.Person) -> int:
    return (await tickets.ticket(resources, customer.who)).id


@pytest.fixture
async def other(resources: Resources) -> people.Person:
    return await people.register(resources, Role.SUPERVISOR)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if time went ten times as fast."""
    monkeypatch.setattr(module, "LEASE_SECONDS", 1.0)
    monkeypatch.setattr(module, "RENEW_SECONDS", 0.2)
    monkeypatch.setattr(module, "TYPING_SECONDS", 0.5)


def _states(message: Document) -> dict[str, str]:
    return {person["username"]: person["state"] for person in message["data"]["people"]}


async def _told(client: Client, expected: dict[str, str]) -> None:
    """Until an update says exactly this."""
    async with asyncio.timeout(20):
        while _states(await client.hear("presence_update")) != expected:
            pass


async def until_shared(resources: Resources, ticket_id: int, username: str) -> None:
    async with asyncio.timeout(10):
        while username not in str(await resources.redis.hvals(f"{module.PREFIX}{ticket_id}")):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_the_staff_of_two_processes_see_who_views_and_who_types(
    server: Server,
    server_with: ServerFactory,
    resources: Resources,
    agent: people.Person,
    other: people.Person,
    ticket_id: int,
) -> None:
    async with server_with() as second, second.connect(other.token) as there:
        async with server.connect(agent.token) as here:
            answer = await here.ask("subscribe_presence", 1, ticket_id=ticket_id)
            assert answer["protocol"] == "presence"
            assert answer["data"] == {"ticket_id": ticket_id, "subscribed": True, "people": []}
            await here.send("set_presence", 2, ticket_id=ticket_id, state="viewing")
            await _told(here, {agent.username: "viewing"})
            await until_shared(resources, ticket_id, agent.username)
            answer = await there.ask("subscribe_presence", ticket_id=ticket_id)
            assert _states(answer) == {agent.username: "viewing"}
            assert set(answer["data"]["people"][0]) == {"username", "state", "since"}
            await there.send("set_presence", ticket_id=ticket_id, state="typing")
            for client in (here, there):
                await _told(client, {agent.username: "viewing", other.username: "typing"})
            await there.send("set_presence", ticket_id=ticket_id, state="viewing")
            await _told(here, {agent.username: "viewing", other.username: "viewing"})
        # Whose connection breaks is no longer there.
        await _told(there, {other.username: "viewing"})
        await there.send("unsubscribe_presence", "left", ticket_id=ticket_id)
        assert (await there.hear("subscription_response"))["data"]["subscribed"] is False
        assert (await there.ask("get_presence", ticket_id=ticket_id))["data"]["code"] == "not_subscribed"


@pytest.mark.usefixtures("quick")
async def test_who_stops_typing_is_viewing_until_typing_is_said_again(
    server: Server, agent: people.Person, ticket_id: int
) -> None:
    async with server.connect(agent.token) as client, server.connect(agent.token) as window:
        for one in (client, window):
            await one.ask("subscribe_presence", ticket_id=ticket_id)
        for _ in range(2):
            await client.send("set_presence", ticket_id=ticket_id, state="typing")
            await _told(window, {agent.username: "typing"})
            await _told(window, {agent.username: "viewing"})
        # One person in two windows is one person, and typing in either counts.
        await window.send("set_presence", ticket_id=ticket_id, state="viewing")
        await client.send("set_presence", ticket_id=ticket_id, state="typing")
        await _told(window, {agent.username: "typing"})


@pytest.mark.usefixtures("quick")
async def test_the_people_of_a_process_that_died_vanish(
    server: Server, resources: Resources, agent: people.Person, ticket_id: int
) -> None:
    redis_url = resources.settings.redis_url
    assert redis_url is not None
    async with server.connect(agent.token) as client, _process(resources, redis_url.get_secret_value()) as dying:
        seat = await dying.presence.enter(ticket_id, _Nobody(), "ghost")
        dying.presence.show(seat, "typing")
        await client.ask("subscribe_presence", ticket_id=ticket_id)
        await client.send("set_presence", ticket_id=ticket_id, state="viewing")
        await _told(client, {"ghost": "typing", agent.username: "viewing"})
        dying.kill()
        await _told(client, {agent.username: "viewing"})


class _Nobody:
    def send(self, frame: bytes) -> None:
        assert frame


class _Process:
    def __init__(self, resources: Resources, url: str) -> None:
        self.presence = Presence(resources.redis, url)
        self._running = asyncio.create_task(self.presence.run())

    def kill(self) -> None:
        """It renews nothing and takes nothing back."""
        self._running.cancel()

    async def ended(self) -> None:
        self.kill()
        await asyncio.wait([self._running])


@asynccontextmanager
async def _process(resources: Resources, url: str) -> AsyncIterator[_Process]:
    process = _Process(resources, url)
    try:
        yield process
    finally:
        await process.ended()


@pytest.mark.parametrize("type_", ["subscribe_presence", "set_presence", "get_presence"])
async def test_a_customer_is_told_of_nobody(
    server: Server, resources: Resources, customer: people.Person, ticket_id: int, type_: str
) -> None:
    state = {"state": "viewing"} if type_ == "set_presence" else {}
    foreign = await tickets.ticket(resources, (await people.register(resources)).who)
    async with server.connect(customer.token) as client:
        for asked, code in ((ticket_id, "forbidden"), (foreign.id, "ticket_not_found"), (2**40, "ticket_not_found")):
            answer = await client.ask(type_, "r", ticket_id=asked, **state)
            assert (answer["success"], answer["protocol"], answer["request_id"]) == (False, "presence", "r")
            assert answer["data"] == {"code": code, "ticket_id": asked}


async def test_only_who_watches_may_be_seen_and_only_in_two_ways(
    server: Server, agent: people.Person, ticket_id: int
) -> None:
    async with server.connect(agent.token) as client:
        answer = await client.ask("set_presence", ticket_id=ticket_id, state="viewing")
        assert (answer["type"], answer["data"]["code"]) == ("error", "not_subscribed")
        for state in ("sleeping", "", None, 1):
            answer = await client.ask("set_presence", ticket_id=ticket_id, state=state)
            assert answer["data"]["code"] == "invalid_message"
        bounded: dict[str, Any] = {"ticket_id": ticket_id, "state": "viewing", "message": "hello"}
        assert (await client.ask("set_presence", **bounded))["data"]["code"] == "invalid_message"


async def test_however_busily_people_type_watchers_are_told_a_few_times(
    server: Server, agent: people.Person, other: people.Person, ticket_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GAP_SECONDS", 2.0)
    async with server.connect(agent.token) as busy, server.connect(other.token) as watcher:
        await watcher.ask("subscribe_presence", ticket_id=ticket_id)
        await busy.ask("subscribe_presence", ticket_id=ticket_id)
        for number in range(100):
            await busy.send("set_presence", number, ticket_id=ticket_id, state=("viewing", "typing")[number % 2])
        while (await busy.hear("presence_update")).get("request_id") != 99:
            pass
        updates = 0
        while _states(await watcher.receive(10)) != {agent.username: "typing"}:
            updates += 1
        assert updates < 10


async def test_while_redis_is_away_a_process_tells_of_its_own_people_and_afterwards_of_all(
    server_with: ServerFactory, agent: people.Person, other: people.Person, ticket_id: int, own_redis: EmbeddedRedis
) -> None:
    url = SecretStr(own_redis.url)
    async with (
        server_with(redis_url=url) as one,
        server_with(redis_url=url) as two,
        one.connect(agent.token) as here,
        two.connect(other.token) as there,
    ):
        await here.ask("subscribe_presence", ticket_id=ticket_id)
        own_redis.kill()
        assert (await here.hear("degraded"))["data"]["retry_seconds"] > 0
        await there.hear("degraded")
        await here.send("set_presence", ticket_id=ticket_id, state="viewing")
        await _told(here, {agent.username: "viewing"})
        answer = await there.ask("subscribe_presence", ticket_id=ticket_id)
        assert (answer["success"], _states(answer)) == (True, {})
        await there.send("set_presence", ticket_id=ticket_id, state="typing")
        own_redis.start()
        for client in (here, there):
            await _told(client, {agent.username: "viewing", other.username: "typing"})


async def test_nothing_is_kept_of_tickets_that_nobody_is_at(
    server: Server, resources: Resources, agent: people.Person, ticket_id: int
) -> None:
    async with server.connect(agent.token) as client:
        await client.ask("subscribe_presence", ticket_id=ticket_id)
        await client.ask("set_presence", ticket_id=ticket_id, state="viewing")
    await server.idle()
    await until(lambda: not server.manager.presence._rooms)
    async with asyncio.timeout(10):
        while await resources.redis.exists(f"{module.PREFIX}{ticket_id}"):  # noqa: ASYNC110 - Redis cannot be waited on
            await asyncio.sleep(0.02)
