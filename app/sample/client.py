"""A client of the public API and WebSocket. It imports nothing of the rooms: it is as far away as any other."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
from websockets.asyncio.client import ClientConnection, connect

PREFIX = "/api/v1"
RUN_SECONDS = 180.0
DONE = frozenset({"completed", "failed", "quarantined"})

Document = dict[str, Any]
"""An answer as it came: a client has no right to our own types."""


class SampleFailed(Exception):
    """The API did not do what its contract says; the text says what was asked and what was answered."""


class ReportClient:
    def __init__(self, http: httpx2.AsyncClient, websocket_url: str) -> None:
        self._http = http
        self._websocket_url = websocket_url
        self._token = ""

    async def log_in(self, username: str, password: str) -> bool:
        """False when the name or the password is not right."""
        answer = await self._http.post(f"{PREFIX}/auth/login", json={"username": username, "password": password})
        if answer.status_code == httpx2.codes.UNAUTHORIZED:
            return False
        self._token = str(_content(answer)["access_token"])
        return True

    async def register(self, username: str, password: str) -> bool:
        """False when the name is taken."""
        person = {"username": username, "email": f"{username}@example.com", "password": password}
        answer = await self._http.post(f"{PREFIX}/auth/register", json=person)
        if answer.status_code == httpx2.codes.CONFLICT:
            return False
        _content(answer)
        return True

    async def upload(self, path: Path) -> Document:
        with path.open("rb") as stream:
            answer = await self._http.post(
                f"{PREFIX}/files/upload", files={"file": (path.name, stream)}, headers=self._authorised()
            )
        return _content(answer)

    async def create_ticket(self, text: str, file_ids: list[str]) -> Document:
        """The finished run's result, waited for by polling when the server answers 202."""
        body = {"user_input": text, "files": file_ids}
        answer = await self._http.post(f"{PREFIX}/agent/create-ticket", json=body, headers=self._authorised())
        return _content(answer) | {"location": answer.headers.get("Location", "")}

    async def get(self, path: str) -> Document:
        return _content(await self._http.get(f"{PREFIX}{path}", headers=self._authorised()))

    @asynccontextmanager
    async def job_messages(self, job_ids: list[str]) -> AsyncIterator[ClientConnection]:
        """A socket on which the file protocol tells of these jobs, from their beginning."""
        async with connect(self._websocket_url, proxy=None) as socket:
            # The token goes as the first message: an address with a token in it ends up in logs.
            await socket.send(json.dumps({"type": "authenticate", "data": {"token": self._token}}))
            for job_id in job_ids:
                await socket.send(json.dumps({"type": "subscribe_job", "data": {"job_id": job_id, "after": 0}}))
            yield socket

    def _authorised(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"}


@asynccontextmanager
async def report_client(base_url: str, websocket_url: str) -> AsyncIterator[ReportClient]:
    async with httpx2.AsyncClient(base_url=base_url, timeout=RUN_SECONDS, trust_env=False) as http:
        yield ReportClient(http, websocket_url)


def _content(answer: httpx2.Response) -> Document:
    if answer.is_error:
        asked = f"{answer.request.method} {answer.request.url.path}"
        raise SampleFailed(f"{asked} was answered with {answer.status_code}: {answer.text[:500]}")
    document: Document = answer.json()
    return document


async def next_message(socket: ClientConnection, seconds: float) -> Document | None:
    """None when nothing came for so long."""
    try:
        async with asyncio.timeout(seconds):
            message: Document = json.loads(await socket.recv())
            return message
    except TimeoutError:
        return None
