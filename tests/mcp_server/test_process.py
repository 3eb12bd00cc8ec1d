"""The server as the process that it is."""

import asyncio
import os
import signal
import socket
import sys
from dataclasses import replace

import httpx2
import pytest
from fastmcp.client import Client
from fastmcp.exceptions import ToolError

from app.ai_config.catalogue import ALL_TOOLS
from app.core.resources import Resources
from app.embedded.data_plane import DataPlane
from mcp_server.desk import Desk
from mcp_server.server import build_server
from mcp_server.tools import ticket_tools
from tests.factories.people import Person, register
from tests.mcp_server.calling import call, token_of


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_it_starts_serves_and_stops_when_told(resources: Resources, plane: DataPlane) -> None:
    port = free_port()
    environment = {
        **os.environ,
        "DATABASE_URL": plane.database_url,
        "REDIS_URL": plane.redis_url,
        "EVIDESK_DATA_DIR": str(resources.settings.data_dir),
        "EVIDESK_MCP_PORT": str(port),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mcp_server"), env=environment, stderr=asyncio.subprocess.PIPE
    )
    try:
        health = await _healthy(f"http://127.0.0.1:{port}/health")
        assert isinstance(health, dict)
        assert (health["status"], health["tools_available"]) == ("healthy", sorted(ALL_TOOLS))
        ada = await register(resources)
        assert await _route(resources, ada, f"http://127.0.0.1:{port}/mcp") == "engineering"
    finally:
        process.send_signal(signal.SIGTERM)
        _out, said = await process.communicate()
    assert process.returncode == -signal.SIGTERM, said.decode()
    assert b"Application shutdown complete" in said
    assert b'"service": "mcp"' in said
    assert token_of(resources, ada).encode()[:20] not in said


async def _healthy(address: str) -> object:
    async with httpx2.AsyncClient() as http, asyncio.timeout(90):
        while True:
            try:
                return (await http.get(address)).json()
            except httpx2.HTTPError:
                await asyncio.sleep(0.1)


async def _route(resources: Resources, person: Person, endpoint: str) -> object:
    settings = resources.settings.model_copy(update={"mcp_url": endpoint})
    found = await call(replace(resources, settings=settings), person, "route_to_team", category="bug", priority="low")
    return found["team"]


async def test_without_a_door_there_is_no_person_and_so_no_tool(resources: Resources) -> None:
    """Inside the process no token can be shown, and nothing is assumed in its place."""
    async with Client(build_server(resources)) as inside:
        assert await inside.list_tools() == []
        with pytest.raises(ToolError, match="does not allow"):
            await inside.call_tool("get_ticket", {"ticket_id": 1})
    async with Client(ticket_tools.build(Desk(resources))) as part:
        with pytest.raises(ToolError, match="needs a person's token"):
            await part.call_tool("get_ticket", {"ticket_id": 1})


async def test_a_server_that_was_not_started_has_no_resources(resources: Resources) -> None:
    with pytest.raises(RuntimeError, match="not been started"):
        _ = Desk(resources.settings).resources
    desk = Desk(resources.settings)
    async with desk.running():
        await desk.resources.db.ping()
