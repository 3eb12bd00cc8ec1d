"""A small room whose work can be caught in the middle: first attempts can be made endless or slow, handlers held."""

import asyncio
import time
import uuid
from pathlib import Path
from typing import ClassVar

from app.core.resources import Resources
from app.core.schemas import Event
from app.core.tasks import RECOGNITION_QUEUE, task
from app.core.telemetry import correlation_id
from app.jobs import service as jobs
from app.jobs.claims import hold
from app.outbox import writer as outbox
from app.outbox.deliveries import Delivery, Push
from app.relay.registry import Subscriptions

KIND = "test.recognition"
FIRST_ATTEMPT_SECONDS = "first-attempt-seconds"
HOLDING_FILE = "relay-is-held"


class Recognised(Event):
    type: ClassVar[str] = "test.recognised"

    job_id: uuid.UUID
    attempt: int

    @property
    def aggregate(self) -> str:
        return f"file:{self.job_id}"


class Said(Event):
    type: ClassVar[str] = "test.said"

    words: str

    @property
    def aggregate(self) -> str:
        return "talk"


class Held(Event):
    """Whose delivery stands still for as long as there is a certain file."""

    type: ClassVar[str] = "test.held"

    file: Path
    job_id: uuid.UUID

    @property
    def aggregate(self) -> str:
        return f"held:{self.job_id}"


@task(name="test.recognise", queue=RECOGNITION_QUEUE, time_limit=60)
async def recognise(resources: Resources, job_id: uuid.UUID) -> None:
    async with hold(resources, job_id) as claim:
        if claim is None:
            await resources.redis.incr(f"refused:{job_id}")
            return
        async with resources.db.unit_of_work() as db:
            await jobs.progress(db, claim, stage="ocr", fraction=0.5)
        if claim.attempt == 1:
            await asyncio.sleep(float(await resources.redis.get(FIRST_ATTEMPT_SECONDS) or 0))
        async with resources.db.unit_of_work() as db:
            await jobs.succeed(db, claim)
            outbox.add(db, Recognised(job_id=job_id, attempt=claim.attempt))


class NotNow(Exception):
    pass


@task(name="test.flaky", retry_on=(NotNow,))
async def flaky(resources: Resources, name: str) -> None:
    """Succeeds at its third attempt, and notes under which correlation id each was made."""
    await resources.redis.rpush(name, correlation_id.get())
    if await resources.redis.llen(name) < 3:
        raise NotNow


@task(name="test.stuck", time_limit=1)
async def stuck(resources: Resources, name: str) -> None:
    """Stops the event loop, as no task should."""
    await resources.redis.set(name, "begun")
    time.sleep(600)  # noqa: ASYNC251 - what it is for


@task(name="test.give_up")
async def give_up(resources: Resources, job_id: uuid.UUID) -> None:
    await resources.redis.set(f"given-up:{job_id}", "yes")


def _push_result(event: Recognised) -> list[Delivery]:
    return [Push(f"job:{event.job_id}", "file", "ocr_completed", {"attempt": event.attempt})]


def _push_words(event: Said) -> list[Delivery]:
    return [Push("talk", "test", "said", {"words": event.words})]


def _run_when_free(event: Held) -> list[Delivery]:
    if event.file.exists():
        (event.file.parent / HOLDING_FILE).touch()
    while event.file.exists():
        time.sleep(0.02)
    return [Push(f"held:{event.job_id}", "test", "held", {}), recognise.call(event.job_id)]


def subscriptions() -> Subscriptions:
    made = Subscriptions()
    made.on(Recognised, _push_result)
    made.on(Said, _push_words)
    made.on(Held, _run_when_free)
    made.job(KIND, run=recognise, exhausted=give_up)
    return made
