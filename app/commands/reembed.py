"""`evidesk knowledge reembed EMBEDDER`: every passage embedded by another, in this process, with its progress.

A killed run goes on in a worker, or when the command is given again.
"""

import argparse
import asyncio
import json
import sys

from rich.console import Console
from rich.progress import Progress, TaskID

from app.core.errors import Problem
from app.core.resources import Resources, open_resources
from app.core.settings import get_settings
from app.jobs.errors import ClaimLost
from app.knowledge import service as knowledge
from app.models.knowledge import EmbeddingState
from app.tickets.service import DESK

FAILED = 1
POLL_SECONDS = 1.0


async def reembed(resources: Resources, name: str, progress: Progress) -> int:
    """0 when the embedder is in use."""
    try:
        async with resources.db.unit_of_work() as db:
            job_id = (await knowledge.change_embedder(db, DESK, name=name)).job_id
    except Problem as error:
        sys.stderr.write(f"{error.detail}\n")
        return FAILED
    shown = progress.add_task(f"Embedding by {name}", total=None)
    watching = asyncio.create_task(_watch(resources, progress, shown))
    try:
        await knowledge.carry_out_embedding(resources, job_id)
    except (ClaimLost, Problem) as error:
        sys.stderr.write(f"A worker goes on with it ({type(error).__name__}).\n")
    # A worker may have been faster, or have taken over: it is waited for.
    found = await watching
    sys.stdout.write(json.dumps(found.model_dump(mode="json")) + "\n")
    return 0 if found.embedder == name else FAILED


async def _watch(resources: Resources, progress: Progress, shown: TaskID) -> "knowledge.EmbedderOut":
    while True:
        async with resources.db.session() as db:
            found = await knowledge.embedder(db)
        if found.change is None or found.change.state != EmbeddingState.BUILDING:
            return found
        progress.update(shown, completed=found.change.done, total=max(found.change.total, 1))
        await asyncio.sleep(POLL_SECONDS)


async def run(name: str) -> int:
    with Progress(console=Console(stderr=True), transient=True) as progress:
        async with open_resources(get_settings()) as resources:
            return await reembed(resources, name, progress)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="evidesk knowledge reembed")
    parser.add_argument("embedder")
    return asyncio.run(run(parser.parse_args(arguments).embedder))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
