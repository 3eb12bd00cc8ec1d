"""A tool server on a port of its own, in the test's event loop, and the desk's work done without processes."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import uvicorn
from sqlalchemy import select, update
from starlette.types import ASGIApp

from app.agents import tasks as agent_tasks
from app.core.resources import Resources
from app.core.tasks import Task, TaskCall
from app.core.telemetry import continued
from app.models.outbox import OutboxRow, OutboxState
from app.outbox.deliveries import REDIS_PREFIX, Push
from app.relay import subscriptions
from app.resolutions import tasks as resolution_tasks
from mcp_server.server import build_http_app

RESOLVING = (
    resolution_tasks.advance,
    resolution_tasks.give_up,
    resolution_tasks.run_ended,
    resolution_tasks.begin,
)
TASKS: dict[str, Task[Any]] = {
    task.name: task for task in (agent_tasks.run, agent_tasks.give_up, agent_tasks.resume, *RESOLVING)
}


@asynccontextmanager
async def serving(app: ASGIApp, *, port: int = 0) -> AsyncIterator[str]:
    """The address of the app, served over real HTTP while the context is open; 0: on a port that is free."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        server = uvicorn.Server(
            uvicorn.Config(app, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=1)
        )
        task = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:  # noqa: ASYNC110 - uvicorn offers a flag, no event
            await asyncio.sleep(0.005)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


@asynccontextmanager
async def tool_server(
    resources: Resources, wrap: Callable[[ASGIApp], ASGIApp] = lambda app: app
) -> AsyncIterator[Resources]:
    """The same resources, with settings that lead agents to a tool server that runs."""
    async with serving(wrap(build_http_app(resources))) as address:
        settings = resources.settings.model_copy(update={"mcp_url": f"{address}/mcp"})
        yield replace(resources, settings=settings)


async def deliver(resources: Resources, tasks: Mapping[str, Task[Any]] = TASKS) -> int:
    """What relay and worker do, for the rooms under test: every pending event's pushes and tasks, once."""
    built = subscriptions.build()
    async with resources.db.unit_of_work() as db:
        query = select(OutboxRow).where(OutboxRow.state == OutboxState.PENDING).order_by(OutboxRow.id)
        rows = (await db.execute(query)).scalars().all()
        await db.execute(
            update(OutboxRow).where(OutboxRow.id.in_([row.id for row in rows])).values(state=OutboxState.DELIVERED)
        )
    for row in rows:
        for delivery in built.deliveries(row.type, row.payload):
            with continued(row.carrier):
                await _carry_out(resources, delivery, tasks)
    return len(rows)


async def _carry_out(resources: Resources, delivery: Push | TaskCall, tasks: Mapping[str, Task[Any]]) -> None:
    if isinstance(delivery, Push):
        await resources.redis.publish(REDIS_PREFIX + delivery.channel, "{}")
    elif delivery.name in tasks:
        await tasks[delivery.name].handler(resources, *delivery.args)


@asynccontextmanager
async def working(resources: Resources, tasks: Mapping[str, Task[Any]] = TASKS) -> AsyncIterator[None]:
    """Deliver whatever comes, until the context is left."""
    left = asyncio.Event()

    async def work() -> None:
        # The event as well as the cancellation: a client library that swallows that one would leave a worker behind
        # which takes the jobs of all later tests.
        while not left.is_set():
            if not await deliver(resources, tasks):
                await asyncio.sleep(0.01)

    task = asyncio.create_task(work())
    try:
        yield
    finally:
        left.set()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
