"""A stale copy of a ticket or a file, and what a watcher hears: together they are it as it is, whatever broke between.

Connections break at any moment: between two deliveries, in the middle of one, and in the middle of a replay; whoever
comes back may meet the other of two API processes.
"""

import asyncio
import contextlib
import random
from typing import Any

import pytest

from app.core.auth import Role
from app.core.resources import Resources
from app.tickets import service
from tests.factories import people, tickets
from tests.websocket.conftest import Client, Deliver, Server, ServerFactory
from tests.websocket.desk import STEPS, Copy, Desk, FileCopy, as_it_is, shown


async def _drain(client: Client, copy: Copy) -> None:
    """Everything that is on its way: an answer comes after what was sent before it."""
    await client.send("unsubscribe_presence", "end", ticket_id=1)
    while "seq" in (message := await client.receive(30)):
        copy.apply(message)
    assert message["request_id"] == "end"


async def _hear(server: Server, person: people.Person, copy: Copy, *, breaking: random.Random | None = None) -> None:
    """A new socket, from where the copy stands to now; or, if `breaking`, until it breaks in the middle."""
    type_, data = copy.request
    async with server.connect(person.token) as client:
        after = copy.seqs[-1] if copy.seqs else 0
        answer = await client.ask(type_, **data, after=after)
        assert answer["data"]["recovered"] is True
        if breaking is None:
            await _drain(client, copy)
            return
        for _ in range(breaking.randint(0, answer["data"]["seq"] - after)):
            copy.apply(await client.receive(30))
        # Whatever is being delivered just now arrives, or does not.
        with contextlib.suppress(TimeoutError):
            for _ in range(breaking.randint(0, 3)):
                copy.apply(await client.receive(0.05))
        client.socket.transport.abort()


@pytest.mark.parametrize("seed", range(3))
async def test_a_stale_copy_and_the_messages_make_everything_as_it_is(
    server: Server, server_with: ServerFactory, resources: Resources, deliver: Deliver, seed: int
) -> None:
    chance = random.Random(seed)
    owner, agent = await people.register(resources), await people.register(resources, Role.AGENT)
    supervisor = await people.register(resources, Role.SUPERVISOR)
    desk = Desk(resources, chance, owner, agent)
    desk.ticket_id = (await tickets.ticket(resources, owner.who, category="bug")).id
    copies: list[tuple[people.Person, Copy]] = [
        (person, await shown(resources, person.who, desk.ticket_id)) for person in (owner, agent)
    ]
    for _ in range(2):
        job_id = await desk.upload()
        copies += [(person, FileCopy(job_id)) for person in (owner, agent)]
    async with server_with() as second:
        for step in range(STEPS):
            await desk.change(step)
            if chance.random() < 0.4:
                delivering = asyncio.ensure_future(deliver())
                for person, copy in copies:
                    if chance.random() < 0.3:
                        await _hear(chance.choice([server, second]), person, copy, breaking=chance)
                await delivering
        await desk.finish()
        await deliver()
        for person, copy in copies:
            await _hear(chance.choice([server, second]), person, copy)
            assert copy.seqs == list(range(1, len(copy.seqs) + 1))
            if isinstance(copy, FileCopy):
                assert copy.state == await as_it_is(resources, person.who, copy.job_id, copy.state)
                assert copy.state["status"] in ("completed", "failed")
            else:
                assert copy.state == (await shown(resources, person.who, desk.ticket_id)).state
        await _the_end(second, resources, deliver, supervisor, copies[:2], desk.ticket_id)


async def _the_end(
    server: Server,
    resources: Resources,
    deliver: Deliver,
    supervisor: people.Person,
    copies: list[tuple[people.Person, Copy]],
    ticket_id: int,
) -> None:
    """The ticket is deleted while both watch it."""
    async with contextlib.AsyncExitStack() as stack:
        watching = []
        for person, copy in copies:
            client = await stack.enter_async_context(server.connect(person.token))
            await client.ask("subscribe_ticket", ticket_id=ticket_id, after=copy.seqs[-1])
            watching.append((client, copy))
        async with resources.db.unit_of_work() as db:
            await service.delete(db, supervisor.who, ticket_id)
        await deliver()
        for client, copy in watching:
            copy.apply(await client.receive(30))
            assert copy.state == (await shown(resources, supervisor.who, ticket_id)).state == {}


async def test_a_deleted_ticket_says_so_last_and_cannot_be_watched_again(
    server: Server, resources: Resources, deliver: Deliver
) -> None:
    owner, supervisor = await people.register(resources), await people.register(resources, Role.SUPERVISOR)
    ticket_id = (await tickets.ticket(resources, owner.who, category="bug")).id
    async with server.connect(owner.token) as client:
        await client.ask("subscribe_ticket", ticket_id=ticket_id)
        async with resources.db.unit_of_work() as db:
            await service.delete(db, supervisor.who, ticket_id)
        await deliver()
        told: dict[str, Any] = await client.receive()
        assert (told["type"], told["data"]["deleted_by"]) == ("ticket_deleted", supervisor.username)
        taken_away = await client.receive()
        assert (taken_away["type"], taken_away["success"]) == ("subscription_response", False)
        refused = await client.ask("subscribe_ticket", ticket_id=ticket_id, after=0)
        assert (refused["success"], refused["data"]["code"]) == (False, "ticket_not_found")
        assert taken_away["data"] == refused["data"]
