"""One request to a speech service: whatever goes wrong on the way comes out as one of our errors."""

import json
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import httpx2
from pydantic import BaseModel, ValidationError

from app.files.speech.errors import SpeechRateLimited, SpeechRejected, SpeechUnauthorised, SpeechUnavailable

A = TypeVar("A", bound=BaseModel)

CONNECT_SECONDS: Final = 10.0
MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024
_SAID: Final = 200
_UNAUTHORISED: Final = frozenset({401, 402, 403})
_LATER: Final = frozenset({408, 409, 425})


async def ask(engine: str, answer: type[A], url: str, *, seconds: float, **request: Any) -> A:
    """POST, and the answer as a model. Raises SpeechUnavailable and its kinds, SpeechRejected."""
    try:
        async with (
            httpx2.AsyncClient(timeout=httpx2.Timeout(seconds, connect=CONNECT_SECONDS)) as client,
            client.stream("POST", url, **request) as response,
        ):
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise SpeechUnavailable(engine, "its answer does not end")
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        # The error's own words may hold the address, and an address may hold a key.
        raise SpeechUnavailable(engine, f"it does not answer ({type(error).__name__})") from None
    if response.status_code != 200:
        raise refusal(engine, response.status_code, bytes(body), response.headers)
    try:
        return answer.model_validate_json(bytes(body))
    except ValidationError:
        raise SpeechUnavailable(engine, "its answer is not in its protocol") from None


def refusal(engine: str, status: int, body: bytes, headers: Mapping[str, str]) -> Exception:
    reason = f"it answered {status}{_said(body)}"
    if status == 429:
        return SpeechRateLimited(engine, reason, _seconds(headers.get("retry-after")))
    if status in _UNAUTHORISED:
        # Some services quote the key that they refuse.
        return SpeechUnauthorised(engine, f"it refused our credentials ({status})")
    if 400 <= status < 500 and status not in _LATER:
        return SpeechRejected(engine, reason)
    return SpeechUnavailable(engine, reason)


def _said(body: bytes) -> str:
    """The service's own words, where they are where services put them."""
    try:
        said = json.loads(body)
    except ValueError:
        return ""
    error = said.get("error", said) if isinstance(said, dict) else None
    words = error.get("message") or error.get("err_msg") if isinstance(error, dict) else None
    return f": {words[:_SAID]}" if isinstance(words, str) else ""


def _seconds(header: str | None) -> float | None:
    try:
        return max(0.0, float(header)) if header else None
    except ValueError:
        return None
