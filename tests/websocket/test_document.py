"""The client that docs/realtime.md shows works as it stands there."""

import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

from app.core.resources import Resources
from tests.factories import people, tickets
from tests.websocket.conftest import Publisher, Server, until

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "realtime.md"
MOST_LINES = 40


async def test_the_documents_client_hears_everything_once_across_a_broken_connection(
    server: Server, resources: Resources, customer: people.Person, publisher: Publisher
) -> None:
    found = re.search(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    assert len(found[1].splitlines()) <= MOST_LINES
    client: dict[str, Any] = {}
    exec(compile(found[1], str(DOCUMENT), "exec"), client)  # noqa: S102 - our own document
    ticket = await tickets.ticket(resources, customer.who)
    channel = f"ticket:{ticket.id}"

    async def token() -> str:
        return customer.token

    watching: AsyncIterator[dict[str, Any]] = client["watch"](f"ws://127.0.0.1:{server.port}/ws", token, ticket.id)
    async with aclosing(watching) as messages:  # type: ignore[type-var]
        assert await anext(messages) == {"type": "reload"}
        await publisher.push(channel, ticket_id=ticket.id)
        assert (await anext(messages))["seq"] == 1
        for connection in list(server.manager._connections):
            connection.end(1012, "the server restarts")
        await until(lambda: not server.manager.active_connections)
        for _ in range(2):
            await publisher.keep(channel, ticket_id=ticket.id)
        assert [(await anext(messages))["seq"] for _ in range(2)] == [2, 3]
