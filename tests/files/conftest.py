from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from app.core.auth import Role
from app.core.resources import Resources
from app.core.settings import FileSettings, Settings
from app.main import create_app
from tests.factories import people
from tests.factories.people import Person
from tests.files.speech import peers
from tests.files.speech.peers import Peer

Upload = Callable[..., Awaitable[httpx2.Response]]
SMALL_LIMIT = 300_000


@pytest.fixture
async def sender(resources: Resources) -> Person:
    return await people.register(resources)


@pytest.fixture
async def stranger(resources: Resources) -> Person:
    return await people.register(resources)


@pytest.fixture
async def agent(resources: Resources) -> Person:
    return await people.register(resources, Role.AGENT)


@pytest.fixture
def upload(api: httpx2.AsyncClient, sender: Person) -> Upload:
    """POST a file as `sender`, or as `by`."""

    async def uploaded(
        content: bytes,
        filename: str = "report.txt",
        declared: str = "text/plain",
        *,
        by: Person = sender,
        headers: dict[str, str] | None = None,
        **fields: Any,
    ) -> httpx2.Response:
        return await api.post(
            "/api/v1/files/upload",
            files={"file": (filename, content, declared)},
            data={name: str(value) for name, value in fields.items()},
            headers=by.headers | (headers or {}),
        )

    return uploaded


@pytest.fixture
async def small_api(resources: Resources, settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """The application with a file limit low enough to be passed in a test."""
    files = FileSettings(max_bytes=SMALL_LIMIT, chunk_bytes=4096)
    application: FastAPI = create_app(settings.model_copy(update={"files": files}))
    async with application.router.lifespan_context(application):
        transport = httpx2.ASGITransport(app=application, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client:
            yield client


@pytest.fixture
def openai() -> Iterator[Peer]:
    with peers.serving(peers.openai) as peer:
        yield peer
