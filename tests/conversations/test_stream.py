"""The stream of a conversation over a real socket: everything once, in order, from wherever one stands."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import update

from app.conversations import tasks
from app.conversations.service import streaming
from app.core.resources import Resources
from app.core.settings import ConversationSettings, Settings
from app.core.tasks import configure
from app.jobs import service as jobs
from app.knowledge.service import CITED
from app.main import create_app
from app.models.user import User
from app.relay import subscriptions
from app.relay.delivering import Relay
from tests.conversations.conftest import Desk
from tests.factories.answers import answer
from tests.factories.runs import serving

Event = dict[str, Any]


class Watch:
    def __init__(self, answer: httpx2.Response) -> None:
        self._lines = answer.aiter_lines()
        self.pings = 0

    async def next(self, seconds: float = 30.0) -> Event:
        """The next event; pings are counted."""
        event: Event = {}
        async with asyncio.timeout(seconds):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if not line and "data" in event:
                    return event
                if name == "":
                    self.pings += 1
                elif line and name != "retry":
                    event[name] = json.loads(value) if name in ("id", "data") else value
        raise EOFError

    async def some(self, number: int) -> list[Event]:
        return [await self.next() for _ in range(number)]

    async def ended(self) -> bool:
        try:
            await self.next()
        except EOFError:
            return True
        return False


@pytest.fixture
def options() -> ConversationSettings:
    return ConversationSettings(heartbeat_seconds=120, streams_per_person=2)


@pytest.fixture
async def served(settings: Settings, resources: Resources, options: ConversationSettings) -> AsyncIterator[str]:
    app: FastAPI = create_app(settings.model_copy(update={"conversations": options}))
    async with serving(app) as address:
        yield address


@asynccontextmanager
async def watching(desk: Desk, address: str, session: str, last: int | None = None) -> AsyncIterator[Watch]:
    headers = {**desk.customer.headers, **({} if last is None else {"Last-Event-ID": str(last)})}
    async with (
        httpx2.AsyncClient(base_url=address, timeout=60) as client,
        client.stream("GET", f"/api/v1/sessions/{session}/stream", headers=headers) as found,
    ):
        assert found.status_code == 200, await found.aread()
        assert found.headers["content-type"].startswith("text/event-stream")
        yield Watch(found)


async def relay(resources: Resources) -> None:
    """What is pending goes out as the product's relay sends it."""
    configure(resources.settings)
    one = Relay(resources, subscriptions.build())
    while (await one.deliver_batch()).claimed:
        pass


async def test_a_watcher_sees_the_conversation_so_far_and_then_live(desk: Desk, served: str) -> None:
    session = await desk.ask()
    async with watching(desk, served, session) as watch:
        first = await watch.some(3)
        assert [event["event"] for event in first] == ["status", "message", "message"]
        assert [event["id"] for event in first] == [1, 2, 3]
        assert first[0]["data"]["status"] == "open"
        assert first[2]["data"] == (await desk.messages(session))[1]
        await desk.call("POST", f"/{session}/escalate")
        # Heartbeats are far away: it is the bus that tells.
        await relay(desk.resources)
        told = await watch.some(2)
        assert [event["event"] for event in told] == ["message", "status"]
        assert [event["id"] for event in told] == [4, 5]
        assert told[1]["data"]["status"] == "escalated"


async def test_a_client_that_comes_back_misses_and_repeats_nothing(
    desk: Desk, served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "PAGE", 5)
    session = await desk.open()
    async with watching(desk, served, session) as watch:
        last = (await watch.next())["id"]
    numbers = range(24)
    for number in numbers:
        await desk.say(session, f"Number {number}?")
    async with watching(desk, served, session, last=last) as watch:
        told = await watch.some(12)
    async with watching(desk, served, session, last=told[-1]["id"]) as watch:
        told += await watch.some(12)
    assert [event["data"]["content"] for event in told] == [f"Number {number}?" for number in numbers]
    assert [event["id"] for event in told] == [*range(2, 26)]


@pytest.mark.parametrize("options", [ConversationSettings(heartbeat_seconds=0.1)])
async def test_without_the_bus_the_heartbeat_looks(desk: Desk, served: str) -> None:
    session = await desk.open()
    async with watching(desk, served, session, last=1) as watch:
        await desk.say(session, "Anybody?")
        assert (await watch.next())["data"]["content"] == "Anybody?"
        async with desk.resources.db.unit_of_work() as db:
            await db.execute(update(User).where(User.id == desk.customer.id).values(active=False))
        assert await watch.ended()


@pytest.mark.parametrize("options", [ConversationSettings(stream_seconds=0.2)])
async def test_a_stream_ends_in_time(desk: Desk, served: str) -> None:
    session = await desk.open()
    async with watching(desk, served, session, last=1) as watch:
        assert await watch.ended()


async def test_nobody_opens_streams_without_end(desk: Desk, served: str) -> None:
    session = await desk.open()
    async with watching(desk, served, session) as one, watching(desk, served, session) as two:
        await one.next()
        await two.next()
        async with httpx2.AsyncClient(base_url=served) as client:
            refused = await client.get(f"/api/v1/sessions/{session}/stream", headers=desk.customer.headers)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_streams")


async def test_an_impossible_last_event_is_refused(desk: Desk) -> None:
    session = await desk.open()
    for last in ("-1", "x", str(2**40)):
        await desk.call("GET", f"/{session}/stream", status=422, headers={"Last-Event-ID": last})


async def test_flags_are_told(desk: Desk, served: str) -> None:
    desk.answers.rule = lambda _: answer()
    session = await desk.ask()
    cited = (await desk.messages(session))[1]["citations"][0]["doc_id"]
    # The document of the test's citation is in no table: deleted.

    async with desk.resources.db.unit_of_work() as db:
        job = jobs.create(db, kind=CITED, subject=cited)
    await tasks.recheck.handler(desk.resources, job.id)
    async with watching(desk, served, session, last=3) as watch:
        flagged = await watch.next()
    assert (flagged["event"], flagged["data"]["stale"]) == ("message_flagged", "deleted")
