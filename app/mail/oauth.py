"""Access tokens for mail servers that take no passwords any more (XOAUTH2), fetched with what lasts longer.

Blocks: mail servers are talked to in threads. A token is kept until shortly before it ends, and forgotten when a server
refuses it.
"""

import hashlib
import threading
import time

import httpx2
from pydantic import BaseModel, Field, ValidationError

from app.core.settings import MailSettings
from app.mail.tls import client_context

EARLY_SECONDS = 60.0
ANSWER_BYTES = 64 * 1024


class TokenAway(Exception):
    """`reason` is a sentence for administrators, without any secret."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class _Answer(BaseModel):
    access_token: str = Field(min_length=1, max_length=16_384, pattern=r"^[\x21-\x7e]+$")
    expires_in: float = Field(default=300.0, ge=0)


_held: dict[str, tuple[str, float]] = {}
_lock = threading.Lock()


def response(settings: MailSettings, user: str) -> str:
    """What XOAUTH2 sends. Raises TokenAway."""
    return f"user={user}\x01auth=Bearer {access_token(settings)}\x01\x01"


def access_token(settings: MailSettings) -> str:
    """Raises TokenAway."""
    name = _name(settings)
    with _lock:
        held = _held.get(name)
    if held is not None and held[1] > time.monotonic():
        return held[0]
    answer = _ask(settings)
    with _lock:
        _held[name] = (answer.access_token, time.monotonic() + answer.expires_in - EARLY_SECONDS)
    return answer.access_token


def forget(settings: MailSettings) -> None:
    """It was refused: the next one is asked for."""
    with _lock:
        _held.pop(_name(settings), None)


def _name(settings: MailSettings) -> str:
    return hashlib.sha256(repr([settings.oauth_token_url, *_form(settings).items()]).encode()).hexdigest()


def _form(settings: MailSettings) -> dict[str, str]:
    form = {"client_id": settings.oauth_client_id or ""}
    if settings.oauth_client_secret is not None:
        form["client_secret"] = settings.oauth_client_secret.get_secret_value()
    if settings.oauth_scope is not None:
        form["scope"] = settings.oauth_scope
    if settings.oauth_refresh_token is None:
        return {"grant_type": "client_credentials", **form}
    return {
        "grant_type": "refresh_token",
        "refresh_token": settings.oauth_refresh_token.get_secret_value(),
        **form,
    }


def _ask(settings: MailSettings) -> _Answer:
    body = bytearray()
    try:
        with (
            httpx2.Client(timeout=settings.imap_seconds, verify=client_context(settings)) as client,
            client.stream("POST", settings.oauth_token_url or "", data=_form(settings)) as answer,
        ):
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > ANSWER_BYTES:
                    raise TokenAway("The token server's answer does not end.")
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        raise TokenAway(f"The token server gives no answer ({type(error).__name__}).") from None
    if answer.status_code != 200:
        raise TokenAway(f"The token server gives no token (it answered {answer.status_code}).")
    try:
        return _Answer.model_validate_json(bytes(body))
    except ValidationError:
        raise TokenAway("The token server's answer holds no token.") from None
