"""A page of the web, fetched once: from a public host, of a kind that can be read, within limits of size and time."""

import asyncio
import codecs
from collections.abc import Mapping
from dataclasses import dataclass

import httpx2

from app.core.public_hosts import HostPrivate, HostUnknown, address_of, parsed
from app.core.settings import KnowledgeSettings

REDIRECTS_MOST = 5
URL_CHARS = 2_000
VALIDATOR_CHARS = 500
READABLE = frozenset({"", "text/html", "application/xhtml+xml", "text/plain", "text/markdown", "application/pdf"})
"""By its declared type; without one the content decides, as it does of every file."""
_CHARSETS = ("utf-8", "utf-16", "iso8859", "cp", "koi8", "gb", "big5", "shift_jis", "euc", "iso2022", "ascii", "mac")
"""By Python's names. Some of its other codecs take minutes for what a stranger may send."""
_PASSING = frozenset({408, 425, 429})
_ACCEPTED = "text/html, application/xhtml+xml, text/markdown, text/plain;q=0.9, application/pdf;q=0.8"


class PageRefused(Exception):
    """`reason` is a sentence for people; `passing`: the same request may be answered in a moment."""

    def __init__(self, reason: str, *, passing: bool = False) -> None:
        self.reason, self.passing = reason, passing
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Page:
    """`url` is where it was found in the end. `etag` and `modified` are what the server knows this version by."""

    url: str
    body: bytes
    media_type: str
    etag: str | None
    modified: str | None


def problem_with(url: str, options: KnowledgeSettings) -> str | None:
    """Why no page of this address will be fetched, as far as the address tells; None: nothing."""
    found = parsed(url)
    if found is None or len(url) > URL_CHARS:
        return "The address of a page begins with https:// or http://, has a host, and holds no login."
    if options.page_hosts and found.host not in options.page_hosts:
        return f"Pages of {found.host} are not fetched here (EVIDESK_KNOWLEDGE__PAGE_HOSTS)."
    return None


async def fetch(
    url: str, options: KnowledgeSettings, *, etag: str | None = None, modified: str | None = None
) -> Page | None:
    """None: the page is still what the server knew by `etag` and `modified`. Raises PageRefused."""
    known = {"If-None-Match": etag, "If-Modified-Since": modified}
    headers = {name: value for name, value in known.items() if value is not None}
    try:
        async with asyncio.timeout(options.page_seconds):
            for _ in range(REDIRECTS_MOST + 1):
                found = await _once(url, options, headers)
                if not isinstance(found, str):
                    return found
                url = found
    except TimeoutError as error:
        raise PageRefused(f"The page took longer than {options.page_seconds:g} s.", passing=True) from error
    raise PageRefused(f"The address leads on more than {REDIRECTS_MOST} times.")


async def _once(url: str, options: KnowledgeSettings, headers: Mapping[str, str]) -> Page | str | None:
    """The page, or where it has moved. Each address on the way is judged as the first one."""
    target, address = await _judged(url, options)
    # Nothing is unpacked here: a small answer stays small.
    sent = {
        "Accept": _ACCEPTED,
        "Accept-Encoding": "identity",
        "User-Agent": "Evidesk",
        **headers,
        "Host": target.netloc.decode(),
    }
    try:
        async with (
            httpx2.AsyncClient(timeout=options.page_seconds, trust_env=False, follow_redirects=False) as client,
            client.stream(
                "GET", target.copy_with(host=address), headers=sent, extensions={"sni_hostname": target.host}
            ) as answer,
        ):
            if answer.status_code == httpx2.codes.NOT_MODIFIED and headers:
                return None
            if answer.has_redirect_location:
                return str(target.join(answer.headers["location"]))
            return await _page(target, answer, options)
    except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError) as error:
        reason = f"{target.host} gives no answer that can be read ({type(error).__name__})."
        raise PageRefused(reason, passing=isinstance(error, httpx2.TransportError)) from error


async def _judged(url: str, options: KnowledgeSettings) -> tuple[httpx2.URL, str]:
    problem, target = problem_with(url, options), parsed(url)
    if problem is not None or target is None:
        raise PageRefused(problem or "This is no address.")
    host = target.host
    try:
        return target, await address_of(target, private=host in options.page_private_hosts)
    except HostUnknown as error:
        raise PageRefused(f"The host {host} cannot be found.", passing=True) from error
    except HostPrivate as error:
        raise PageRefused(f"{host} is not on the public internet (EVIDESK_KNOWLEDGE__PAGE_PRIVATE_HOSTS).") from error


async def _page(target: httpx2.URL, answer: httpx2.Response, options: KnowledgeSettings) -> Page:
    if answer.status_code != httpx2.codes.OK:
        passing = answer.status_code in _PASSING or answer.is_server_error
        raise PageRefused(f"{target.host} answered HTTP {answer.status_code}.", passing=passing)
    media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in READABLE:
        raise PageRefused(f"The page is {media_type[:100]}; HTML, Markdown, text and PDF are read.")
    if answer.headers.get("content-encoding", "identity").lower() != "identity":
        raise PageRefused("The page comes packed, although that was not asked for.")
    body = bytearray()
    async for chunk in answer.aiter_raw():
        body += chunk
        if len(body) > options.page_bytes:
            raise PageRefused(f"The page has more than {options.page_bytes:,} bytes.")
    if not body:
        raise PageRefused("The page is empty.")
    return Page(
        url=str(target)[:URL_CHARS],
        body=_marked(bytes(body), media_type, answer.charset_encoding),
        media_type=media_type,
        etag=_validator(answer, "etag"),
        modified=_validator(answer, "last-modified"),
    )


def _marked(body: bytes, media_type: str, charset: str | None) -> bytes:
    """Text whose charset the server names, in UTF-8 with its mark, so that nobody has to guess. What is no text stays
    as it is, whatever the server says."""
    if charset is None or not media_type.startswith(("text/", "application/xhtml")):
        return body
    try:
        known = codecs.lookup(charset)
        text = b"\x00" not in body or known.name.startswith("utf-16")
        if known.name == "utf-8" or not text or not known.name.startswith(_CHARSETS):
            return body
        return body.decode(known.name, errors="replace").removeprefix("\ufeff").encode("utf-8-sig")
    except (LookupError, ValueError):
        return body


def _validator(answer: httpx2.Response, name: str) -> str | None:
    value: str | None = answer.headers.get(name)
    return value if value and len(value) <= VALIDATOR_CHARS and value.isprintable() and value.isascii() else None
