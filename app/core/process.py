"""A process that lasts until it is told to stop."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.core.resources import Resources, open_resources
from app.core.settings import Settings
from app.core.telemetry import configure_logging, configure_tracing

_ENDS = (signal.SIGTERM, signal.SIGINT)


@asynccontextmanager
async def lasting(name: str, settings: Settings) -> AsyncIterator[tuple[Resources, asyncio.Event]]:
    """Its log and traces under this name, its resources, and what SIGTERM and SIGINT set: then the block has to end."""
    configure_logging(name, settings.telemetry)
    tracing = configure_tracing(name, settings.telemetry)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _ENDS:
        loop.add_signal_handler(number, stop.set)
    try:
        async with open_resources(settings) as resources:
            yield resources, stop
    finally:
        for number in _ENDS:
            loop.remove_signal_handler(number)
        tracing.shutdown()
