"""Requests to addresses that an administrator typed. None of them leads into the desk's own network.

A host's addresses are judged, and the connection goes to the very address that was judged. Redirects are not followed.
"""

import time
from collections.abc import Collection, Mapping
from typing import Any

import httpx2
from pydantic_core import from_json as json_of

from app.core.public_hosts import HostPrivate, HostUnknown, address_of, parsed
from app.core.redaction import REDACTED, redacted
from app.core.settings import IntegrationSettings
from app.integrations.errors import AddressRefused, RateLimited, Rejected, Unauthorized, Unavailable, VendorFault

MOST_BYTES = 5_000_000
QUOTED_CHARS = 300
_PASSING = frozenset({408, 425})


def checked_address(url: str) -> str:
    """The address without its last slash. Raises AddressRefused for one that no connection could have."""
    found = parsed(url)
    if found is None or found.query or found.fragment:
        raise AddressRefused("An address begins with https://, has a host, and holds no login, query or fragment.")
    return url.rstrip("/")


class Outgoing:
    """Requests to one vendor's address with one connection's headers."""

    def __init__(
        self, base_url: str, settings: IntegrationSettings, headers: Mapping[str, str], *, secrets: Collection[str] = ()
    ) -> None:
        """`secrets` are blotted out, should the vendor quote them."""
        self._base = base_url
        self._secrets = tuple(secrets)
        self._settings = settings
        self._headers = {"Accept": "application/json", "User-Agent": "Evidesk", **headers}

    async def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The answer's JSON, None where it is empty. Raises a VendorFault."""
        url = httpx2.URL(f"{self._base}{path}")
        address = await self._address(url)
        request_headers = {**self._headers, **(headers or {}), "Host": url.netloc.decode()}
        try:
            async with (
                httpx2.AsyncClient(timeout=self._settings.timeout_seconds, trust_env=False) as client,
                client.stream(
                    method,
                    url.copy_with(host=address),
                    params=params,
                    json=json,
                    data=form,
                    headers=request_headers,
                    extensions={"sni_hostname": url.host},
                ) as answer,
            ):
                body = b""
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > MOST_BYTES:
                        raise Unavailable("The answer is too long.")
        except httpx2.HTTPError as error:
            raise Unavailable(f"{url.host} gives no answer ({type(error).__name__}).") from error
        return self._understood(answer, body)

    def _understood(self, answer: httpx2.Response, body: bytes) -> Any:
        try:
            document = json_of(body) if body.strip() else None
        except ValueError as error:
            if answer.is_success:
                raise Unavailable("The answer is not readable.") from error
            document = None
        if answer.is_success:
            return document
        words = " ".join(_said(document).split())
        for secret in self._secrets:
            words = words.replace(secret, REDACTED)
        raise _fault(answer, redacted(words)[:QUOTED_CHARS])

    async def _address(self, url: httpx2.URL) -> str:
        """One of the host's addresses, after all of them were judged."""
        host, private = url.host, url.host in self._settings.private_hosts
        if self._settings.hosts and host not in self._settings.hosts:
            raise AddressRefused(f"Connections to {host} are not allowed here (EVIDESK_INTEGRATIONS__HOSTS).")
        if url.scheme != "https" and not private:
            raise AddressRefused("The address must begin with https://.")
        try:
            return await address_of(url, private=private)
        except HostUnknown as error:
            raise Unavailable(f"The host {host} cannot be found.") from error
        except HostPrivate as error:
            raise AddressRefused(
                f"{host} is not on the public internet (EVIDESK_INTEGRATIONS__PRIVATE_HOSTS)."
            ) from error


def _fault(answer: httpx2.Response, words: str) -> VendorFault:
    status = answer.status_code
    reason = f"HTTP {status}{f': {words}' if words else ''}"
    spent = answer.headers.get("x-ratelimit-remaining") == "0" or "retry-after" in answer.headers
    if status == httpx2.codes.TOO_MANY_REQUESTS or (status == httpx2.codes.FORBIDDEN and spent):
        return RateLimited(reason, retry_after=_pause(answer))
    if status in (httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN):
        return Unauthorized(reason)
    if status in _PASSING or answer.is_server_error:
        return Unavailable(reason)
    if answer.is_redirect:
        return Rejected(f"HTTP {status}: the address has moved; enter the new one.")
    return Rejected(reason)


def _pause(answer: httpx2.Response) -> float:
    """Seconds, between one and an hour."""
    given = answer.headers.get("retry-after", "")
    if given.isdecimal():
        return min(max(float(given), 1.0), 3600.0)
    reset = answer.headers.get("x-ratelimit-reset", "")
    return min(max(float(reset) - time.time(), 1.0), 3600.0) if reset.isdecimal() else 60.0


def _said(document: Any) -> str:
    """The words of a refusal, in any of the forms that vendors give them."""
    match document:
        case str():
            return document
        case list():
            return "; ".join(filter(None, map(_said, document)))
        case dict():
            named = [_said(document.get(name)) for name in ("message", "error_description", "errorMessages")]
            errors = document.get("errors")
            if isinstance(errors, dict):
                named += [f"{name}: {_said(value)}" for name, value in errors.items()]
            elif isinstance(errors, list):
                named += [_said(one) or str(one.get("field", "")) for one in errors if isinstance(one, dict)]
            return "; ".join(filter(None, named))
        case _:
            return ""
