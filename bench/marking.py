"""The benchmark's own event and task: the task notes when it ran."""

import time
from collections.abc import Iterable
from typing import ClassVar

from app.core.resources import Resources
from app.core.schemas import Event
from app.core.tasks import TaskCall, task

STAMPS = "bench:stamps"


class Marked(Event):
    type: ClassVar[str] = "bench.marked"
    number: int

    @property
    def aggregate(self) -> str:
        return f"bench:{self.number}"


@task(name="bench.mark")
async def mark(resources: Resources, number: int) -> None:
    at = time.time()
    await resources.redis.hset(STAMPS, str(number), repr(at))


def deliveries(event: Marked) -> Iterable[TaskCall]:
    yield mark.call(event.number)
