"""Another system that knows customers or services, asked over HTTP. Its answer is typed and bounded, or no answer."""

from urllib.parse import quote

import httpx2
from pydantic import TypeAdapter, ValidationError

from app.core.settings import DirectorySettings
from app.directory.errors import DirectoryAway
from app.directory.schemas import Profile, Service

MOST_BYTES = 1_000_000
_NOT_FOUND = 404
_SERVICES = TypeAdapter(list[Service])


async def profile(settings: DirectorySettings, url: str, email: str) -> Profile | None:
    """GET <url>/<e-mail>: 404 is "not known here". Raises DirectoryAway."""
    body = await _get(settings, f"{url.rstrip('/')}/{quote(email, safe='@')}")
    try:
        return None if body is None else Profile.model_validate_json(body)
    except ValidationError as error:
        raise DirectoryAway("unusable answer") from error


async def services(settings: DirectorySettings, url: str) -> list[Service]:
    """GET <url>: a list of `{name, state, aliases?, message?, since?}`. Raises DirectoryAway."""
    body = await _get(settings, url)
    try:
        return _SERVICES.validate_json(body or b"")
    except ValidationError as error:
        raise DirectoryAway("unusable answer") from error


async def _get(settings: DirectorySettings, url: str) -> bytes | None:
    headers = {"Accept": "application/json"}
    if settings.token is not None:
        headers["Authorization"] = f"Bearer {settings.token.get_secret_value()}"
    try:
        async with (
            httpx2.AsyncClient(timeout=settings.timeout_seconds) as client,
            client.stream("GET", url, headers=headers) as answer,
        ):
            if answer.status_code == _NOT_FOUND:
                return None
            answer.raise_for_status()
            body = b""
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > MOST_BYTES:
                    raise DirectoryAway("too long an answer")
            return body
    except httpx2.HTTPError as error:
        raise DirectoryAway(type(error).__name__) from error
