"""A command's way into the public API, for as long as the command takes."""

import asyncio
from collections.abc import AsyncGenerator

import httpx2

from app.core.http import API_PREFIX


class Refused(Exception):
    """The API did not let us in; the text says what it answered."""


class Login(httpx2.Auth):
    """Logs in anew when a token has run out, which one does while much is loaded, and waits when it is told to."""

    def __init__(self, username: str, password: str) -> None:
        self._given = {"username": username, "password": password}
        self.token: str | None = None

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """Raises Refused."""
        held = self.token
        while True:
            if self.token is None:
                answer = yield httpx2.Request("POST", request.url.join(f"{API_PREFIX}/auth/login"), json=self._given)
                await answer.aread()
                if not answer.is_success or "json" not in answer.headers.get("content-type", ""):
                    raise Refused(f"{self._given['username']} could not log in at {request.url.host}: {why(answer)}")
                self.token = str(answer.json()["access_token"])
            request.headers["Authorization"] = f"Bearer {self.token}"
            answer = yield request
            if answer.status_code == httpx2.codes.TOO_MANY_REQUESTS:
                await asyncio.sleep(float(answer.headers.get("Retry-After", 1)))
            elif answer.status_code == httpx2.codes.UNAUTHORIZED and held is not None:
                self.token = held = None
            else:
                return


def why(answer: httpx2.Response) -> str:
    """What a refusal says, else its status."""
    problem = answer.json() if "json" in answer.headers.get("content-type", "") else {}
    return str(problem.get("detail") or f"it answered {answer.status_code}")
