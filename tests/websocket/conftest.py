"""A real server on a loopback port, clients that speak to it as any other would, and a relay's part played by hand."""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from pydantic import SecretStr
from sqlalchemy import func, insert, select
from sqlalchemy.engine import make_url
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from app.core.auth import Role
from app.core.resources import Resources
from app.core.settings import Settings, WebSocketSettings
from app.core.tasks import configure
from app.embedded.data_plane import DataPlane
from app.embedded.redis import EmbeddedRedis
from app.main import create_app
from app.models.outbox import Notification
from app.outbox.deliveries import REDIS_PREFIX
from app.relay.delivering import Relay
from app.relay.subscriptions import build
from app.websocket.manager import ConnectionManager
from app.websocket.wire import uvicorn_options
from tests.factories import people

Document = dict[str, Any]

TALKATIVE: Document = {"messages_per_minute": 10_000}


async def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    for _ in range(int(seconds / 0.01)):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


class Client:
    """One socket. What it is sent is JSON, or the test fails."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self._early: deque[Document] = deque()

    async def send(self, type_: str, request_id: str | int | None = None, **data: Any) -> None:
        message: Document = {"type": type_, "data": data}
        if request_id is not None:
            message["request_id"] = request_id
        await self.socket.send(json.dumps(message))

    async def receive(self, seconds: float = 15.0) -> Document:
        if self._early:
            return self._early.popleft()
        async with asyncio.timeout(seconds):
            return await self._next()

    async def _next(self) -> Document:
        message: Document = json.loads(await self.socket.recv())
        return message

    async def hear(self, type_: str, seconds: float = 15.0) -> Document:
        """The next message of a type, after whatever else comes."""
        async with asyncio.timeout(seconds):
            while (message := await self.receive(seconds))["type"] != type_:
                pass
            return message

    async def ask(self, type_: str, request_id: str | int | None = None, **data: Any) -> Document:
        """The answer. What was pushed meanwhile, `receive` gives afterwards."""
        await self.send(type_, request_id, **data)
        async with asyncio.timeout(15.0):
            while "seq" in (message := await self._next()):
                self._early.append(message)
            return message

    async def closed(self, seconds: float = 15.0) -> int | None:
        """The code of the close, after whatever came before it."""
        async with asyncio.timeout(seconds):
            try:
                while True:
                    await self.socket.recv()
            except ConnectionClosed:
                return self.socket.close_code

    async def silent(self, seconds: float = 0.2) -> bool:
        try:
            await self.receive(seconds)
        except TimeoutError:
            return True
        return False


@dataclass
class Server:
    """One API process's worth of application."""

    port: int
    manager: ConnectionManager
    running: uvicorn.Server

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def connect(self, token: str | None, **options: Any) -> AsyncIterator[Client]:
        query = "" if token is None else f"?token={token}"
        address = f"ws://127.0.0.1:{self.port}/ws{query}"
        async with connect(address, proxy=None, close_timeout=2, **options) as socket:
            yield Client(socket)

    async def idle(self) -> None:
        await until(lambda: not self.manager.active_connections)


def watched(server: Server) -> int:
    """Channels of clients: one more is the process's own."""
    return len(server.manager.feeds) - 1


ServerFactory = Callable[..., AbstractAsyncContextManager[Server]]


@asynccontextmanager
async def serve(settings: Settings, wire: Document | None = None) -> AsyncIterator[Server]:
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
        **{**uvicorn_options(settings.websocket), **(wire or {})},
    )
    running = uvicorn.Server(config)
    task = asyncio.create_task(running._serve())
    await until(lambda: running.started or task.done(), 30)
    assert not task.done(), task.exception()
    port = running.servers[0].sockets[0].getsockname()[1]
    try:
        yield Server(port, app.state.websockets, running)
    finally:
        running.should_exit = True
        await task


@pytest.fixture
def server_with(resources: Resources, settings: Settings) -> ServerFactory:
    """A server with other settings of the WebSocket, or of anything else by name; `wire` overrides uvicorn's."""

    def factory(
        websocket: Document | None = None, *, wire: Document | None = None, **others: Any
    ) -> AbstractAsyncContextManager[Server]:
        options = WebSocketSettings(**{**TALKATIVE, **(websocket or {})})
        return serve(settings.model_copy(update={"websocket": options, **others}), wire)

    return factory


@pytest.fixture(scope="session")
async def shared_server(settings: Settings) -> AsyncIterator[Server]:
    async with serve(settings.model_copy(update={"websocket": WebSocketSettings(**TALKATIVE)})) as running:
        yield running


@pytest.fixture
async def server(resources: Resources, shared_server: Server) -> AsyncIterator[Server]:
    """With the usual settings, but no limit that a test would meet by chance."""
    yield shared_server
    await shared_server.idle()


@pytest.fixture
async def customer(resources: Resources) -> people.Person:
    return await people.register(resources)


@pytest.fixture
async def agent(resources: Resources) -> people.Person:
    return await people.register(resources, Role.AGENT)


class Gate:
    """Stands before the database and can be shut, as when it restarts: connections break and none is taken."""

    def __init__(self, url: str) -> None:
        self._target = make_url(url)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._port = 0

    @property
    def url(self) -> SecretStr:
        return SecretStr(self._target.set(host="127.0.0.1", port=self._port).render_as_string(hide_password=False))

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._pass_through, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        await until(lambda: not self._open)

    async def _pass_through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._target.host, self._target.port)
        try:
            self._open |= {writer, back}
            await asyncio.gather(_copy(reader, back), _copy(there, writer))
        finally:
            self._open -= {writer, back}
            for each in (writer, back):
                each.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    writer.transport.abort()


@pytest.fixture
async def database_gate(plane: DataPlane) -> AsyncIterator[Gate]:
    gate = Gate(plane.database_url)
    await gate.open()
    yield gate
    await gate.shut()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    redis = EmbeddedRedis(tmp_path, durable=False)
    redis.start()
    yield redis
    redis.stop()


class Publisher:
    """What the relay does with a push: number it, keep it, publish it."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    async def keep(self, channel: str, **data: Any) -> int:
        """Into the table alone, as when Redis is away."""
        async with self._resources.db.unit_of_work() as db:
            newest = select(func.coalesce(func.max(Notification.seq), 0)).where(Notification.channel == channel)
            seq = (await db.execute(newest)).scalar_one() + 1
            newest_id = (await db.execute(select(func.coalesce(func.max(Notification.outbox_id), 0)))).scalar_one()
            db.add(
                Notification(
                    channel=channel,
                    seq=seq,
                    outbox_id=newest_id + 1,
                    type="ticket_status_update",
                    protocol="ticket",
                    data=data,
                )
            )
        return seq

    async def keep_many(self, channel: str, count: int, **data: Any) -> None:
        """The first `count` of a channel."""
        about = {"channel": channel, "type": "ticket_status_update", "protocol": "ticket", "data": data}
        rows = [{**about, "seq": seq, "outbox_id": seq} for seq in range(1, count + 1)]
        async with self._resources.db.unit_of_work() as db:
            await db.execute(insert(Notification), rows)

    async def publish(self, channel: str, seq: int, **data: Any) -> None:
        message = {
            "channel": channel,
            "seq": seq,
            "protocol": "ticket",
            "type": "ticket_status_update",
            "data": data,
            "timestamp": "2026-11-21T08:00:00+00:00",
        }
        await self._resources.redis.publish(REDIS_PREFIX + channel, json.dumps(message))

    async def push(self, channel: str, **data: Any) -> int:
        seq = await self.keep(channel, **data)
        await self.publish(channel, seq, **data)
        return seq


@pytest.fixture
def publisher(resources: Resources) -> Publisher:
    return Publisher(resources)


Deliver = Callable[[], Awaitable[None]]


@pytest.fixture
async def deliver(resources: Resources) -> AsyncIterator[Deliver]:
    """What the relay does, until nothing is left."""
    configure(resources.settings)
    async with contextlib.aclosing(Relay(resources, build())) as relay:

        async def all_of_it() -> None:
            while (await relay.deliver_batch()).claimed:
                pass

        yield all_of_it
