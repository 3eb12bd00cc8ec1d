"""Nothing is lost and nothing comes twice: replays, gaps, restarts of Redis, several processes, broken sockets."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from pydantic import SecretStr
from sqlalchemy import delete

from app.core.redis import connect as connect_redis
from app.core.resources import Resources
from app.embedded.redis import EmbeddedRedis
from app.models.outbox import Notification
from tests.factories import people, tickets
from tests.websocket.conftest import Client, Gate, Publisher, Server, ServerFactory


@pytest.fixture
async def ticket_id(resources: Resources, customer: people.Person) -> int:
    return (await tickets.ticket(resources, customer.who)).id


@pytest.fixture
def channel(ticket_id: int) -> str:
    return f"ticket:{ticket_id}"


@pytest.fixture
async def watcher(server: Server, customer: people.Person) -> AsyncIterator[Client]:
    async with server.connect(customer.token) as client:
        yield client


async def _seqs(client: Client, count: int) -> list[int]:
    return [(await client.receive())["seq"] for _ in range(count)]


async def _forget(resources: Resources, channel: str, until: int) -> None:
    async with resources.db.unit_of_work() as db:
        await db.execute(delete(Notification).where(Notification.channel == channel, Notification.seq <= until))


async def test_what_was_missed_comes_first_and_in_order(
    watcher: Client, publisher: Publisher, channel: str, ticket_id: int
) -> None:
    for number in range(5):
        await publisher.push(channel, number=number)
    answer = await watcher.ask("subscribe_ticket", ticket_id=ticket_id, after=2)
    assert answer["data"] == {"ticket_id": ticket_id, "subscribed": True, "seq": 5, "recovered": True}
    await publisher.push(channel, number=5)
    messages = [await watcher.receive() for _ in range(4)]
    assert [message["seq"] for message in messages] == [3, 4, 5, 6]
    assert [message["data"]["number"] for message in messages] == [2, 3, 4, 5]
    assert await watcher.silent()


async def test_a_replayed_message_is_the_same_as_the_live_one(
    server: Server, watcher: Client, customer: people.Person, publisher: Publisher, channel: str, ticket_id: int
) -> None:
    await watcher.ask("subscribe_ticket", ticket_id=ticket_id)
    data = {"ticket_id": ticket_id, "status": "pending", "updated_by": None, "timestamp": "2026-11-21T08:00:00Z"}
    await publisher.push(channel, **data)
    live = await watcher.receive()
    async with server.connect(customer.token) as late:
        await late.ask("subscribe_ticket", ticket_id=ticket_id, after=0)
        replayed = await late.receive()
    assert {**replayed, "timestamp": live["timestamp"]} == live


async def test_without_after_nothing_old_comes(
    watcher: Client, publisher: Publisher, channel: str, ticket_id: int
) -> None:
    await publisher.push(channel)
    await publisher.push(channel)
    answer = await watcher.ask("subscribe_ticket", ticket_id=ticket_id)
    assert answer["data"] == {"ticket_id": ticket_id, "subscribed": True, "seq": 2}
    await publisher.push(channel)
    assert await _seqs(watcher, 1) == [3]


async def test_a_reader_who_is_up_to_date_has_recovered(
    watcher: Client, publisher: Publisher, channel: str, ticket_id: int
) -> None:
    assert (await watcher.ask("subscribe_ticket", ticket_id=ticket_id, after=0))["data"]["recovered"] is True
    await publisher.push(channel)
    assert await _seqs(watcher, 1) == [1]
    assert (await watcher.ask("subscribe_ticket", ticket_id=ticket_id, after=1))["data"] == {
        "ticket_id": ticket_id,
        "subscribed": True,
        "seq": 1,
        "recovered": True,
    }
    assert await watcher.silent()


async def test_pruned_history_is_not_recovered(
    watcher: Client, resources: Resources, publisher: Publisher, channel: str, ticket_id: int
) -> None:
    for _ in range(4):
        await publisher.push(channel)
    await _forget(resources, channel, 2)
    answer = await watcher.ask("subscribe_ticket", ticket_id=ticket_id, after=1)
    assert answer["data"] == {"ticket_id": ticket_id, "subscribed": True, "seq": 4, "recovered": False}
    await publisher.push(channel)
    assert await _seqs(watcher, 1) == [5]
    answer = await watcher.ask("subscribe_ticket", ticket_id=ticket_id, after=2)
    assert answer["data"]["recovered"] is True
    assert await _seqs(watcher, 3) == [3, 4, 5]


async def test_a_number_that_was_never_given_is_not_recovered(
    watcher: Client, publisher: Publisher, channel: str, ticket_id: int
) -> None:
    await publisher.push(channel)
    answer = await watcher.ask("subscribe_ticket", ticket_id=ticket_id, after=9)
    assert answer["data"] == {"ticket_id": ticket_id, "subscribed": True, "seq": 1, "recovered": False}
    await publisher.push(channel)
    assert await _seqs(watcher, 1) == [2]


async def test_more_than_the_replay_limit_is_not_recovered(
    server_with: ServerFactory, customer: people.Person, publisher: Publisher, channel: str, ticket_id: int
) -> None:
    for _ in range(4):
        await publisher.push(channel)
    async with server_with({"replay_limit": 3}) as server, server.connect(customer.token) as client:
        answer = await client.ask("subscribe_ticket", ticket_id=ticket_id, after=0)
        assert (answer["data"]["seq"], answer["data"]["recovered"]) == (4, False)
        answer = await client.ask("subscribe_ticket", ticket_id=ticket_id, after=1)
        assert (answer["data"]["seq"], answer["data"]["recovered"]) == (4, True)
        assert await _seqs(client, 3) == [2, 3, 4]


async def test_a_replay_longer_than_the_send_queue_is_sent_whole(
    server_with: ServerFactory, customer: people.Person, publisher: Publisher, channel: str, ticket_id: int
) -> None:
    await publisher.keep_many(channel, 50)
    async with server_with({"send_queue": 4}) as server, server.connect(customer.token) as client:
        await client.ask("subscribe_ticket", ticket_id=ticket_id, after=0)
        assert await _seqs(client, 50) == list(range(1, 51))


async def test_a_lost_publication_is_read_from_the_table(
    watcher: Client, resources: Resources, publisher: Publisher, channel: str, ticket_id: int
) -> None:
    await watcher.ask("subscribe_ticket", ticket_id=ticket_id)
    await publisher.push(channel)
    await _forget(resources, channel, 1)
    await publisher.keep_many(channel, 121)
    await publisher.push(channel)
    assert await _seqs(watcher, 122) == list(range(1, 123))


async def test_messages_out_of_order_and_repeated_come_in_order_and_once(
    watcher: Client, publisher: Publisher, channel: str, ticket_id: int
) -> None:
    await watcher.ask("subscribe_ticket", ticket_id=ticket_id)
    seqs = [await publisher.keep(channel) for _ in range(6)]
    for seq in (seqs[0], seqs[0], seqs[2], seqs[1], seqs[5], seqs[3], seqs[4], seqs[5]):
        await publisher.publish(channel, seq)
    assert await _seqs(watcher, 6) == seqs
    assert await watcher.silent()


async def test_a_gap_that_the_table_cannot_fill_is_admitted(
    watcher: Client, resources: Resources, publisher: Publisher, channel: str, ticket_id: int
) -> None:
    await watcher.ask("subscribe_ticket", ticket_id=ticket_id)
    for _ in range(3):
        await publisher.keep(channel)
    await _forget(resources, channel, 2)
    await publisher.push(channel)
    gap = await watcher.receive()
    assert gap["type"] == "subscription_response"
    assert gap["data"] == {"ticket_id": ticket_id, "subscribed": True, "seq": 2, "recovered": False}
    assert await _seqs(watcher, 2) == [3, 4]


async def test_two_processes_tell_their_watchers_the_same(
    server_with: ServerFactory, customer: people.Person, publisher: Publisher, channel: str, ticket_id: int
) -> None:
    async with server_with() as one, server_with() as two:
        assert one.manager is not two.manager
        async with one.connect(customer.token) as here, two.connect(customer.token) as there:
            for client in (here, there):
                await client.ask("subscribe_ticket", ticket_id=ticket_id)
            for _ in range(5):
                await publisher.push(channel)
            for client in (here, there):
                assert await _seqs(client, 5) == [1, 2, 3, 4, 5]


async def test_a_restart_of_redis_loses_nothing(
    server_with: ServerFactory,
    resources: Resources,
    customer: people.Person,
    own_redis: EmbeddedRedis,
) -> None:
    ids = [(await tickets.ticket(resources, customer.who)).id for _ in range(3)]
    client_of_redis = connect_redis(own_redis.url)
    publisher = Publisher(replace(resources, redis=client_of_redis))
    async with server_with(redis_url=SecretStr(own_redis.url)) as server, server.connect(customer.token) as client:
        for id_ in ids:
            await client.ask("subscribe_ticket", ticket_id=id_)
        await publisher.push(f"ticket:{ids[0]}", id=ids[0])
        assert await _seqs(client, 1) == [1]

        own_redis.kill()
        assert (await client.receive(15))["type"] == "degraded"
        # What the relay numbered and could not publish, and what it published into the void.
        await publisher.keep(f"ticket:{ids[0]}", id=ids[0])
        await publisher.keep(f"ticket:{ids[1]}", id=ids[1])
        fresh = await tickets.ticket(resources, customer.who)
        answer = await client.ask("subscribe_ticket", ticket_id=fresh.id)
        assert answer["success"] is True
        await publisher.keep(f"ticket:{fresh.id}", id=fresh.id)
        own_redis.start()

        caught_up = [await client.receive() for _ in range(3)]
        assert (await client.receive(15))["type"] == "recovered"
        assert {(message["data"]["id"], message["seq"]) for message in caught_up} == {
            (ids[0], 2),
            (ids[1], 1),
            (fresh.id, 1),
        }
        for id_ in (*ids, fresh.id):
            await publisher.push(f"ticket:{id_}", id=id_)
        live = [await client.receive() for _ in range(4)]
        assert {(message["data"]["id"], message["seq"]) for message in live} == {
            (ids[0], 3),
            (ids[1], 2),
            (ids[2], 1),
            (fresh.id, 2),
        }
    await client_of_redis.aclose()


async def test_a_gap_is_filled_when_the_database_is_back(
    server_with: ServerFactory,
    customer: people.Person,
    publisher: Publisher,
    channel: str,
    ticket_id: int,
    database_gate: Gate,
) -> None:
    async with server_with(database_url=database_gate.url) as server, server.connect(customer.token) as client:
        await client.ask("subscribe_ticket", ticket_id=ticket_id)
        await database_gate.shut()
        await publisher.keep(channel)
        await publisher.push(channel)
        assert await client.silent()
        await database_gate.open()
        assert await _seqs(client, 2) == [1, 2]


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_breaks_a_reader_sees_each_number_once(
    server_with: ServerFactory, customer: people.Person, publisher: Publisher, channel: str, ticket_id: int, seed: int
) -> None:
    chance = random.Random(seed)
    total = 60
    seen: list[int] = []

    async def tell() -> None:
        for number in range(total):
            seq = await publisher.keep(channel)
            # Some publications are lost, some come twice; the last one arrives.
            for _ in range(1 if number == total - 1 else chance.choice((0, 1, 1, 1, 2))):
                await publisher.publish(channel, seq)
            await asyncio.sleep(chance.choice((0, 0, 0.005, 0.02)))

    async with server_with() as one, server_with({"send_queue": 8}) as two:
        telling = asyncio.create_task(tell())
        async with asyncio.timeout(60):
            while not seen or seen[-1] < total:
                async with chance.choice((one, two)).connect(customer.token) as client:
                    after = seen[-1] if seen else 0
                    answer = await client.ask("subscribe_ticket", ticket_id=ticket_id, after=after)
                    assert answer["data"]["recovered"] is True
                    for _ in range(min(chance.randint(0, 15), total - after)):
                        seen += await _seqs(client, 1)
                    if chance.random() < 0.5:
                        client.socket.transport.abort()
        await telling
    assert seen == list(range(1, total + 1))
