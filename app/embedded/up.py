"""`evidesk up`: everything on this machine, from nothing to a served product, and back to nothing."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import httpx2
from rich.console import Console
from rich.text import Text

from app.core.settings import Settings
from app.embedded.data_plane import DataPlane
from app.embedded.instance import AlreadyRunning, Child, Instance, State, now_text
from app.embedded.process import Identity, StartFailed, last_lines
from app.embedded.services import (
    MODULES,
    Addresses,
    admin_environment,
    busy_port,
    child_environment,
    data_services,
    own_services,
)
from app.embedded.supervisor import Supervisor

READY_SECONDS = 600.0
"""The first start reads every model from a cold disk, perhaps on a machine with much else to do."""
PATIENCE_SECONDS = 20.0
"""After as long without a word, it says what it waits for."""
GIVE_UP_AFTER = 5
"""Failures in a row of one service while starting; later it is tried for ever."""

T = TypeVar("T")
Sample = Callable[[Addresses, Path, Console], Awaitable[bool]]


class Interrupted(Exception):
    """Asked to stop before everything was up."""


class Up:
    def __init__(
        self,
        settings: Settings,
        console: Console,
        sample: Sample,
        *,
        once: bool = False,
        modules: Mapping[str, tuple[str, int]] = MODULES,
    ) -> None:
        """`sample` sends the bundled report and tells whether the ticket is complete; `once` ends after it."""
        self.settings = settings
        self.console = console
        self.once = once
        self.addresses = Addresses.of(settings)
        self.data_dir = settings.data_dir.resolve()
        self._logs = self.data_dir / "logs"
        self._sample = sample
        self._modules = modules
        self._since = now_text()
        self._asked_to_stop = asyncio.Event()
        self._instance = Instance(self.data_dir)
        self._plane: DataPlane | None = None
        self._supervisor = Supervisor(self.say, changed=self._record)

    async def run(self) -> int:
        """The exit code. When it returns, no process that it started is left."""
        try:
            with self._instance.held():
                return await self._hold()
        except AlreadyRunning as reason:
            self.say(str(reason))
            return 1

    def say(self, text: str) -> None:
        stamp = Text(time.strftime("%H:%M:%S "), style="dim")
        self.console.print(stamp.append(Text(text, style="not dim")), soft_wrap=True)

    async def _hold(self) -> int:
        if (sentence := busy_port(self.settings)) is not None:
            self.say(sentence)
            return 1
        for name in self._instance.sweep():
            self.say(f"{name} was left over from a run that was killed; it is stopped")
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._interrupt)
        try:
            await self._start()
            return await self._serve()
        except Interrupted:
            return 130
        except StartFailed as reason:
            self.say(str(reason))
            return 1
        finally:
            await self._stop()

    def _interrupt(self) -> None:
        if self._asked_to_stop.is_set():
            self._supervisor.hurry()
        self._asked_to_stop.set()

    async def _start(self) -> None:
        began = time.monotonic()
        self.say(f"Evidesk starts; its data is in {self.data_dir}, its logs are in {self._logs}")
        self._logs.mkdir(exist_ok=True)
        given = self.settings
        plane = self._plane = DataPlane(
            self.data_dir,
            database_url=given.database_url.get_secret_value() if given.database_url else None,
            redis_url=given.redis_url.get_secret_value() if given.redis_url else None,
        )
        # Blocks, on purpose: the servers die with the thread that starts them, so it must be this one.
        plane.start()
        for service in data_services(plane, self._logs):
            self._supervisor.add(service)
        self._say_where("PostgreSQL", plane.postgres.port if plane.postgres else None)
        self._say_where("Redis", plane.redis.port if plane.redis else None)
        environment = child_environment(self.settings, plane)
        await self._finish("app.commands.migrate", environment)
        self.say("The schema is up to date")
        await self._create_admin(environment)
        for service in own_services(environment, self._logs, self._modules):
            self._supervisor.add(service)
        await self._until_ready()
        self.say(f"Ready after {time.monotonic() - began:.1f} s: {', '.join(self._modules)}")

    async def _serve(self) -> int:
        marker = self.data_dir / "sample.done"
        if self.once or not marker.exists():
            complete = await self._unless_stopped(self._sample(self.addresses, self.data_dir, self.console))
            if complete:
                marker.touch()
            if self.once:
                return 0 if complete else 1
        self._say_how_to_use_it()
        await self._asked_to_stop.wait()
        return 0

    async def _stop(self) -> None:
        self.say("Stopping everything")
        await self._supervisor.stop()
        # Only what the supervisor was not given yet.
        if self._plane is not None:
            self._plane.stop()
        self._instance.clear()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)
        self.say("Stopped")

    async def _finish(self, module: str, environment: Mapping[str, str]) -> str:
        """Run a command to its end; its standard output. Raises StartFailed with the end of its log."""
        log = self._logs / f"{module.rsplit('.', 1)[-1]}.log"
        with log.open("ab") as file:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", module),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=file,
                env=dict(environment),
                start_new_session=True,
            )
            try:
                output, _ = await self._unless_stopped(process.communicate())
            finally:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode != 0:
            raise StartFailed(f"{module} failed. The end of {log}:\n{last_lines(log, 30)}")
        return output.decode()

    async def _create_admin(self, environment: Mapping[str, str]) -> None:
        with_password, made_up = admin_environment(environment, self.settings)
        created = json.loads((await self._finish("app.commands.create_admin", with_password)).splitlines()[-1])
        if created["created"] and made_up is not None:
            self.say(f"The user admin was created. Its password, shown only now: {made_up}")
        elif created["created"]:
            self.say("The user admin was created with the password of EVIDESK_ADMIN_PASSWORD")

    async def _until_ready(self) -> None:
        doors = [f"{self.addresses.http}/ready", self.addresses.mcp.removesuffix("/mcp") + "/health"]
        began = told = time.monotonic()
        async with httpx2.AsyncClient(timeout=5.0, trust_env=False) as client:
            while doors or not all(service.steady for service in self._supervisor.services):
                for service in self._supervisor.services:
                    if service.failures >= GIVE_UP_AFTER:
                        raise StartFailed(f"{service.name} does not stay up. See {service.log}.")
                now = time.monotonic()
                if now > began + READY_SECONDS:
                    raise StartFailed(f"Not ready within {READY_SECONDS:.0f} s; see {self._logs}. No answer: {doors}")
                if now > told + PATIENCE_SECONDS:
                    told = now
                    self.say(f"Still starting after {now - began:.0f} s; no answer yet: {', '.join(doors)}")
                await self._unless_stopped(asyncio.sleep(0.2))
                with suppress(httpx2.TransportError):
                    if doors and (await client.get(doors[0])).status_code == httpx2.codes.OK:
                        doors.pop(0)

    async def _unless_stopped(self, work: Awaitable[T]) -> T:
        """Its result, or Interrupted as soon as somebody asks us to stop."""
        task = asyncio.ensure_future(work)
        asked = asyncio.ensure_future(self._asked_to_stop.wait())
        try:
            await asyncio.wait([task, asked], return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise Interrupted
            return await task
        finally:
            asked.cancel()
            task.cancel()
            await asyncio.gather(task, asked, return_exceptions=True)

    def _say_where(self, name: str, port: int | None) -> None:
        self.say(f"{name} answers on port {port}" if port else f"{name} is the one the settings name")

    def _say_how_to_use_it(self) -> None:
        base = self.addresses.http
        self.say(
            f"Evidesk is up. Ctrl-C stops it.\n"
            f"  API        {base}/api/v1, described at {base}/docs\n"
            f"  WebSocket  {self.addresses.websocket}\n"
            f"  MCP        {self.addresses.mcp}\n"
            f"  Log in     curl -s {base}/api/v1/auth/login -H 'Content-Type: application/json' "
            '-d \'{"username": "admin", "password": "…"}\''
        )

    def _record(self) -> None:
        plane = self._plane
        us = Identity.of(os.getpid())
        if plane is None or us is None:
            return
        children = [
            Child(service.name, service.identity, service.stop_signal)
            for service in self._supervisor.services
            if service.identity is not None
        ]
        addresses = {"API": self.addresses.http, "WebSocket": self.addresses.websocket, "MCP": self.addresses.mcp}
        self._instance.write(State(us, self._since, addresses, plane.database_url, plane.redis_url, children))
