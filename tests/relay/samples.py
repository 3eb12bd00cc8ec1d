"""Events and tasks for the outbox's own tests, and a relay that delivers them."""

import json
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, ClassVar

from redis.asyncio.client import PubSub
from sqlalchemy import Row, text

from app.core.resources import Resources
from app.core.schemas import Event
from app.core.settings import OutboxSettings
from app.core.tasks import configure, task
from app.outbox import writer
from app.outbox.deliveries import Delivery, Push
from app.relay.delivering import Relay
from app.relay.registry import Subscriptions


class Said(Event):
    """Something was said about `about`; it is pushed."""

    type: ClassVar[str] = "test.said"

    about: str
    words: Any = ""

    @property
    def aggregate(self) -> str:
        return self.about


class Asked(Said):
    """It is handed to a worker."""

    type: ClassVar[str] = "test.asked"


class Shouted(Said):
    """It is pushed to everybody, whatever it is about."""

    type: ClassVar[str] = "test.shouted"


@task(name="test.answer")
async def answer(resources: Resources, question: uuid.UUID, by: str) -> None:
    await resources.redis.rpush("answers", f"{question} {by}")


QUESTION = uuid.UUID(int=1)


def push_words(event: Said) -> list[Delivery]:
    return [Push(event.about, "test", "said", {"words": event.words})]


def subscriptions() -> Subscriptions:
    made = Subscriptions()
    made.on(Said, push_words)
    made.on(Asked, lambda event: [answer.call(QUESTION, str(event.words))])
    made.on(Shouted, lambda event: [Push("everybody", "test", "shouted", {"words": event.words})])
    return made


async def say(resources: Resources, *events: Event) -> None:
    async with resources.db.unit_of_work() as db:
        for event in events:
            writer.add(db, event)


def impatient(resources: Resources, **changed: Any) -> Resources:
    """The same, with rests of milliseconds between attempts."""
    outbox = OutboxSettings(**{"backoff_seconds": 0.001, "max_attempts": 3, **changed})
    return replace(resources, settings=resources.settings.model_copy(update={"outbox": outbox}))


@asynccontextmanager
async def relay(resources: Resources, subscribed: Subscriptions | None = None) -> AsyncIterator[Relay]:
    configure(resources.settings)
    made = Relay(resources, subscribed or subscriptions())
    try:
        yield made
    finally:
        await made.aclose()


@asynccontextmanager
async def listening(resources: Resources, *channels: str) -> AsyncIterator[PubSub]:
    async with resources.redis.pubsub() as heard:
        await heard.subscribe(*(f"ws:{channel}" for channel in channels))
        for _ in channels:
            await heard.get_message(timeout=30.0)
        yield heard


async def next_messages(heard: PubSub, count: int) -> list[dict[str, Any]]:
    found = [await heard.get_message(ignore_subscribe_messages=True, timeout=30.0) for _ in range(count)]
    return [json.loads(message["data"]) for message in found if message is not None]


async def rows(resources: Resources, query: str, **values: object) -> Sequence[Row[Any]]:
    async with resources.db.session() as db:
        return (await db.execute(text(query), values)).all()


async def states(resources: Resources) -> list[str]:
    return [row.state for row in await rows(resources, "SELECT state FROM outbox ORDER BY id")]
