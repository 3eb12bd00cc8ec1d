"""The relay as a process: delivering, listening and keeping house, until it is told to stop."""

import asyncio
import contextlib

from app.core.process import lasting
from app.core.resources import Resources
from app.core.settings import Settings
from app.core.tasks import configure
from app.core.telemetry import get_logger
from app.relay.delivering import Relay, deliver_until
from app.relay.housekeeping import keep_house
from app.relay.registry import Subscriptions
from app.relay.wakeup import Wakeup

log = get_logger(__name__)


async def serve(resources: Resources, subscriptions: Subscriptions, stop: asyncio.Event) -> None:
    """A relay with its listener and its housekeeping, until `stop` is set."""
    wakeup = Wakeup(resources.db)
    async with contextlib.AsyncExitStack() as leaving, asyncio.TaskGroup() as group:
        relay = Relay(resources, subscriptions)
        leaving.push_async_callback(relay.aclose)
        helpers = [
            group.create_task(wakeup.keep_listening(), name="listen"),
            group.create_task(keep_house(resources), name="housekeeping"),
            group.create_task(_wake_when(stop, wakeup), name="stop"),
        ]
        try:
            await deliver_until(stop, relay, wakeup, resources.settings.outbox.poll_seconds)
        finally:
            for helper in helpers:
                helper.cancel()


async def _wake_when(stop: asyncio.Event, wakeup: Wakeup) -> None:
    await stop.wait()
    wakeup.wake()


async def run(settings: Settings, subscriptions: Subscriptions) -> None:
    """The relay process. SIGTERM or SIGINT lets it finish its batch and leave."""
    configure(settings)
    async with lasting("relay", settings) as (resources, stop):
        log.info("relay_started")
        await serve(resources, subscriptions, stop)
        log.info("relay_stopped")
