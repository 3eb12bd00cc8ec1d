"""Tasks a second through outbox, relay and Celery, and the latency that road adds at rest, beside bare Celery."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from statistics import median

from pydantic import SecretStr

from app.core.resources import Resources, open_resources
from app.core.settings import Settings
from app.core.tasks import celery, configure
from app.outbox import writer
from bench.marking import STAMPS, Marked, mark
from bench.report import Figures
from bench.stack import Stack, running, started

TASKS = 3000
BATCH = 100
SAMPLES = 60
ROUNDS = 3

Hand = Callable[[Resources, range], Awaitable[None]]


async def _finished(resources: Resources, count: int) -> list[float]:
    """When each task ran, in the order of their numbers."""
    async with asyncio.timeout(300):
        # Tasks run in other processes: there is nothing here to wait on but Redis.
        while await resources.redis.hlen(STAMPS) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    stamps = await resources.redis.hgetall(STAMPS)
    await resources.redis.delete(STAMPS)
    return [float(stamps[str(number)]) for number in range(count)]


async def _by_outbox(resources: Resources, numbers: range) -> None:
    async with resources.db.unit_of_work() as db:
        for number in numbers:
            writer.add(db, Marked(number=number))


def _send(numbers: range) -> None:
    for number in numbers:
        celery.send_task(mark.name, (number,), queue=mark.queue)


async def _by_celery(_resources: Resources, numbers: range) -> None:
    await asyncio.to_thread(_send, numbers)


async def _throughput(resources: Resources, hand: Hand) -> float:
    at = time.time()
    for first in range(0, TASKS, BATCH):
        await hand(resources, range(first, first + BATCH))
    return TASKS / (max(await _finished(resources, TASKS)) - at)


async def _latency(resources: Resources, hand: Hand) -> float:
    """Median milliseconds from before the hand-over to the task's first line."""
    waits = []
    for _ in range(SAMPLES):
        at = time.time()
        await hand(resources, range(1))
        waits.append((await _finished(resources, 1))[0] - at)
        await asyncio.sleep(0.05)
    return median(waits) * 1000


async def _measure(stack: Stack) -> Figures:
    settings = Settings(
        _env_file=None,
        database_url=SecretStr(stack.plane.database_url),
        redis_url=SecretStr(stack.plane.redis_url),
        data_dir=stack.directory,
    )
    configure(settings)
    async with open_resources(settings) as resources:
        await _by_outbox(resources, range(20))
        await _finished(resources, 20)
        rates = [
            (await _throughput(resources, _by_celery), await _throughput(resources, _by_outbox)) for _ in range(ROUNDS)
        ]
        bare_wait, our_wait = await _latency(resources, _by_celery), await _latency(resources, _by_outbox)
    bare, ours = (median(pair[side] for pair in rates) for side in (0, 1))
    ratios = sorted(pair[1] / pair[0] for pair in rates)
    return Figures(
        "Tasks through the outbox",
        ["what", "bare Celery on Redis", "outbox → relay → Celery", "ratio (min–max)"],
        [
            [
                f"{TASKS} small tasks, tasks/s",
                f"{bare:,.0f}",
                f"{ours:,.0f}",
                f"{median(ratios):.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})",
            ],
            ["latency at rest, median", f"{bare_wait:.1f} ms", f"{our_wait:.1f} ms", f"+{our_wait - bare_wait:.1f} ms"],
        ],
        [
            "The same worker (two processes) and task in both.",
            f"The outbox is written in transactions of {BATCH} events, each of an aggregate of its own.",
        ],
    )


def run() -> Figures:
    with running() as stack:
        python = [sys.executable, "-m", "bench.road_worker"]
        with (
            started([*python, "worker"], stack.environment, stack.directory / "worker.log"),
            started([*python, "relay"], stack.environment, stack.directory / "relay.log"),
        ):
            return asyncio.run(_measure(stack))
