"""How long one answer takes on one core, beside the bare search for its passages: the same questions, turn about.

The process and the database that it starts are held to one core. The documents are WixQA's in `EVIDESK_BENCH_DATA`.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from statistics import median, quantiles

from rich.console import Console
from rich.progress import Progress

from app.commands.evaluate_answers import desk
from app.commands.evaluate_knowledge import ingest
from app.commands.evaluation_files import QuestionLine
from app.commands.own_schema import database_address, own_schema
from app.core.auth import Principal
from app.core.resources import Resources
from app.core.settings import get_settings
from app.grounding import service as grounding
from app.knowledge import service as knowledge
from bench.answers import sample
from bench.report import Figures

WARMING, QUESTIONS = 3, 30
OF, OTHER = "wixqa", "techqa"


@contextmanager
def one_core() -> Iterator[None]:
    """For this thread and all that it starts."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


async def measured(name: str, other: str) -> tuple[list[float], list[float]]:
    """Seconds of the search alone and of the whole answer, question by question."""
    given = sample(name, other)
    step = max(len(given.questions) // (WARMING + QUESTIONS), 1)
    asked = given.questions[::step][: WARMING + QUESTIONS]
    with (
        database_address(get_settings()) as address,
        Progress(console=Console(stderr=True), transient=True) as progress,
    ):
        async with own_schema(address, get_settings()) as database:
            await ingest(database, given.documents, progress)
            async with desk(database) as (resources, reader):
                return await _turns(resources, reader, progress.track(asked, description="Asking"))


async def _turns(
    resources: Resources, reader: Principal, asked: Iterable[QuestionLine]
) -> tuple[list[float], list[float]]:
    async def search(question: str) -> None:
        async with resources.db.reading() as db:
            await knowledge.search(db, reader, query=question)

    async def answer(question: str) -> None:
        await grounding.answer(resources, reader, question)

    taken: tuple[list[float], list[float]] = ([], [])
    for number, one in enumerate(asked):
        turns: list[tuple[list[float], Callable[[str], Awaitable[None]]]] = [(taken[0], search), (taken[1], answer)]
        for kept, act in turns if number % 2 else reversed(turns):
            begun = time.perf_counter()
            await act(one.question)
            kept.append(time.perf_counter() - begun)
    return taken[0][WARMING:], taken[1][WARMING:]


def run() -> Figures:
    with one_core():
        bare, whole = asyncio.run(measured(OF, OTHER))
    ratio = median(mine / its for mine, its in zip(whole, bare, strict=True))
    return Figures(
        "Answers: time of one on one core",
        ["what", "p50", "p95"],
        [["bare search for passages", *_cells(bare)], ["whole answer or refusal", *_cells(whole)]],
        [
            f"{len(whole)} questions to WixQA's documents, answerable or not; model and database on one core.",
            f"Whole to bare: {ratio:.2f} in the median of questions.",
            "The answer searches as well, measures twelve documents as wholes, drafts with `local` and is judged.",
        ],
    )


def _cells(seconds: Sequence[float]) -> list[str]:
    return [f"{median(seconds) * 1000:.0f} ms", f"{quantiles(seconds, n=20)[-1] * 1000:.0f} ms"]
