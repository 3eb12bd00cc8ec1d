"""Events and tasks for the outbox's own tests, and a relay that delivers them."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from app.core.resources import Resources
from app.core.schemas import Event
from app.core.tasks import configure, task
from app.outbox import writer
from app.outbox.deliveries import Delivery, Push
from app.outbox.registry import Subscriptions
from app.outbox.relay import Relay


class Said(Event):
    """Something was said about `about`."""

    type: ClassVar[str] = "test.said"

    about: str
    words: Any = ""

    @property
    def aggregate(self) -> str:
        return self.about


class Asked(Said):
    type: ClassVar[str] = "test.asked"


@task(name="test.answer")
async def answer(resources: Resources, question: uuid.UUID, by: str) -> None:
    await resources.redis.rpush("answers", f"{question} {by}")


def push_words(event: Said) -> list[Delivery]:
    return [Push(event.about, "test", "said", {"words": event.words})]


def subscriptions() -> Subscriptions:
    made = Subscriptions()
    made.on(Said, push_words)
    made.on(Asked, lambda event: [answer.call(uuid.UUID(int=1), str(event.words))])
    return made


async def say(resources: Resources, *events: Event) -> None:
    async with resources.db.unit_of_work() as db:
        for event in events:
            writer.add(db, event)


@asynccontextmanager
async def relay(resources: Resources, subscribed: Subscriptions | None = None) -> AsyncIterator[Relay]:
    configure(resources.settings)
    made = Relay(resources, subscribed or subscriptions())
    try:
        yield made
    finally:
        await made.aclose()
