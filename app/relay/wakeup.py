"""Waking the relay when somebody commits an event: LISTEN on a connection kept for it, and a clock besides."""

import asyncio
import contextlib
from typing import Any

from app.core.db import DATABASE_AWAY, Database
from app.core.telemetry import get_logger
from app.outbox.writer import WAKE_CHANNEL

log = get_logger(__name__)

RECONNECT_FIRST_SECONDS = 0.2
RECONNECT_MOST_SECONDS = 10.0
PROBE_SECONDS = 30.0
"""How long a connection may be dead without anybody telling us."""


class Wakeup:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._woken = asyncio.Event()
        self.listening = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Returns when something may have come, or after `seconds`: a missed call costs no more than that."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        self._woken.clear()

    def wake(self) -> None:
        self._woken.set()

    async def keep_listening(self) -> None:
        """Until cancelled; a lost connection is made again, ever more patiently."""
        delay = RECONNECT_FIRST_SECONDS
        while True:
            try:
                await self._listen()
                delay = RECONNECT_FIRST_SECONDS
            except DATABASE_AWAY as error:
                log.warning("listen_failed", error=type(error).__name__, retry_seconds=delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, RECONNECT_MOST_SECONDS)

    async def _listen(self) -> None:
        """Returns when the connection is gone."""
        ended = asyncio.Event()
        async with self._database.engine.connect() as connection:
            driver: Any = (await connection.get_raw_connection()).driver_connection
            try:
                driver.add_termination_listener(lambda _connection: ended.set())
                await driver.add_listener(WAKE_CHANNEL, lambda *_: self._woken.set())
                self.listening.set()
                # What came while nobody listened.
                self._woken.set()
                while not ended.is_set():
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(PROBE_SECONDS):
                            await ended.wait()
                    if not ended.is_set():
                        await driver.execute("SELECT 1", timeout=5.0)
            finally:
                self.listening.clear()
                # Not back to the pool: it has our listener on it.
                await connection.invalidate()
        log.warning("listen_lost")
