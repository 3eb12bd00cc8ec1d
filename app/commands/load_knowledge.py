"""`evidesk knowledge load FOLDER…`: every document of a folder, and web pages by their addresses, over the public API.

A file's address is its place in the folder, so that loading again replaces what changed, costs nothing for what did
not, and never makes a second copy. Office files, PDF and HTML are sent as they are, and read by the workers. What
cannot be read is named; the others are loaded. A page that is known is fetched again, by the workers.
"""

import argparse
import asyncio
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from getpass import getpass
from pathlib import Path
from typing import Any

import httpx2

from app.core.http import API_PREFIX
from app.core.settings import get_settings
from app.embedded.services import Addresses
from app.knowledge.schemas import Acl

PLAIN = frozenset({".md", ".markdown", ".txt", ".rst", ".adoc"})
"""Sent as text: their headings are how they are cut into passages."""
CONVERTED = frozenset({".html", ".htm", ".pdf", ".docx", ".pptx", ".xlsx", ".odt", ".rtf", ".epub"})
TITLE_CHARS = 300
SECONDS = 60.0
WAIT_SECONDS = 3600.0
POLL_SECONDS = 0.5
DOCUMENTS = f"{API_PREFIX}/knowledge/documents"


@dataclass
class Loaded:
    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    asked: int = 0
    """Pages that will be looked at again."""
    failed: list[str] = field(default_factory=list)
    under_way: dict[str, str] = field(default_factory=dict)
    """By its id, the name of each document that is still to be read and indexed."""

    def described(self) -> str:
        counts = f"{self.added} added, {self.replaced} replaced, {self.unchanged} unchanged, {len(self.failed)} failed"
        counts += f", {self.asked} to be fetched again" if self.asked else ""
        return "\n".join([counts, *(f"  {one}" for one in self.failed)])


class Refused(Exception):
    """The API did not let us in; the text says what it answered."""


def files_of(folder: Path) -> Iterator[Path]:
    """Sorted, hidden ones and links left out."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix.lower() in PLAIN | CONVERTED and path.is_file() and not path.is_symlink() and not hidden:
            yield path


def title_of(path: Path, text: str) -> str:
    """Its first heading or line, if that is one; else the file's name."""
    first = next((line.strip() for line in text.splitlines() if line.strip()), "").lstrip("# ").rstrip("# ")
    return first if 0 < len(first) <= TITLE_CHARS else path.stem[:TITLE_CHARS]


async def load(client: httpx2.AsyncClient, folder: Path, acl: dict[str, Any], result: Loaded | None = None) -> Loaded:
    """`client` is authorised. Documents are stored, not yet indexed: see `settle`."""
    result = result or Loaded()
    for path in files_of(folder):
        name = path.relative_to(folder).as_posix()
        try:
            content = await asyncio.to_thread(path.read_bytes)
            sent = _as_text(path, content, acl) if path.suffix.lower() in PLAIN else _as_file(path, content, acl)
        except (OSError, ValueError) as error:
            result.failed.append(f"{name}: {error}")
            continue
        await _send(client, f"{folder.name}/{name}", sent, hashlib.sha256(content).hexdigest(), name, result)
    return result


async def load_page(client: httpx2.AsyncClient, url: str, acl: dict[str, Any], result: Loaded) -> None:
    listed = await client.get(DOCUMENTS, params={"uri": url, "limit": 1})
    known = listed.json()[0] if listed.is_success and listed.json() else None
    if known and known["page"]:
        answer = await client.post(f"{DOCUMENTS}/{known['doc_id']}/fetch")
    else:
        answer = await client.post(f"{API_PREFIX}/knowledge/pages", json={"url": url, "acl": acl})
    if answer.is_error:
        result.failed.append(f"{url}: {_why(answer)}")
        return
    document = answer.json()
    if document["status"] == "pending":
        result.under_way[document["doc_id"]] = url
    if known and known["page"]:
        result.asked += 1
    else:
        result.added += 1


def _why(answer: httpx2.Response) -> str:
    problem = answer.json() if "json" in answer.headers.get("content-type", "") else {}
    return str(problem.get("detail") or answer.status_code)


async def settle(client: httpx2.AsyncClient, result: Loaded, *, seconds: float) -> None:
    """Until all of them can be found, or not: what cannot be read is named."""
    deadline = asyncio.get_running_loop().time() + seconds
    while result.under_way and asyncio.get_running_loop().time() < deadline:
        for doc_id, name in [*result.under_way.items()]:
            answer = await client.get(f"{DOCUMENTS}/{doc_id}")
            document = answer.json() if answer.is_success else {"status": "pending"}
            if document["status"] != "pending":
                del result.under_way[doc_id]
            if document["status"] == "failed":
                result.failed.append(f"{name}: {document['error']}")
        if result.under_way:
            await asyncio.sleep(POLL_SECONDS)
    result.failed += [f"{name}: not indexed after {seconds:g} s" for name in result.under_way.values()]


def _as_text(path: Path, content: bytes, acl: dict[str, Any]) -> dict[str, Any]:
    """Raises ValueError."""
    text = content.decode("utf-8-sig").replace("\x00", " ")
    if not text.strip():
        raise ValueError("there is no text in it")
    return {"json": {"title": title_of(path, text), "text": text, "acl": acl}}


def _as_file(path: Path, content: bytes, acl: dict[str, Any]) -> dict[str, Any]:
    return {"files": {"file": (path.name, content)}, "data": {"acl": json.dumps(acl)}}


async def _send(
    client: httpx2.AsyncClient, uri: str, sent: dict[str, Any], sha256: str, name: str, result: Loaded
) -> None:
    listed = await client.get(DOCUMENTS, params={"uri": uri, "limit": 1})
    known = listed.json()[0] if listed.is_success and listed.json() else None
    body: dict[str, Any] = sent.get("json") or sent["data"]
    body["uri"] = uri
    if known and "files" in sent and _is_the_same(known, sha256, json.loads(body["acl"])):
        result.unchanged += 1
        return
    if known:
        answer = await client.put(f"{DOCUMENTS}/{known['doc_id']}", **sent)
    else:
        answer = await client.post(DOCUMENTS, **sent)
    if answer.is_error:
        result.failed.append(f"{name}: {_why(answer)}")
        return
    document = answer.json()
    if document["status"] == "pending":
        result.under_way[document["doc_id"]] = name
    if not known:
        result.added += 1
    elif document["version"] == known["version"]:
        result.unchanged += 1
    else:
        result.replaced += 1


def _is_the_same(known: dict[str, Any], sha256: str, acl: dict[str, Any]) -> bool:
    """Not even its bytes have to be sent."""
    source = known["source"] or {}
    same = source.get("sha256") == sha256 and known["readers"] == Acl.model_validate(acl).readers()
    return same and known["status"] != "failed"


async def log_in(client: httpx2.AsyncClient, username: str, password: str) -> None:
    """Raises Refused."""
    answer = await client.post(f"{API_PREFIX}/auth/login", json={"username": username, "password": password})
    if answer.is_error:
        raise Refused(f"{username} could not log in: the API answered {answer.status_code}.")
    client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"


async def _run(chosen: argparse.Namespace, password: str) -> Loaded:
    named = {"roles": chosen.role, "teams": chosen.team}
    acl: dict[str, Any] = {name: given for name, given in named.items() if given} or {"public": True}
    address = chosen.url or Addresses.of(get_settings()).http
    async with httpx2.AsyncClient(base_url=address, timeout=SECONDS, trust_env=False) as client:
        await log_in(client, chosen.username, password)
        result = Loaded()
        for source in chosen.source:
            if isinstance(source, str):
                await load_page(client, source, acl, result)
            else:
                await load(client, source, acl, result)
        await settle(client, result, seconds=chosen.wait)
        return result


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="evidesk knowledge load")
    parser.add_argument("source", nargs="+", help="a folder, or the address of a web page")
    parser.add_argument("--url")
    parser.add_argument("--username", default="admin")
    parser.add_argument("--role", action="append", default=[])
    parser.add_argument("--team", action="append", default=[])
    parser.add_argument("--wait", type=float, default=WAIT_SECONDS, help="seconds, for all to be indexed")
    chosen = parser.parse_args(arguments)
    chosen.source = [one if one.startswith(("https://", "http://")) else Path(one).resolve() for one in chosen.source]
    for source in chosen.source:
        if isinstance(source, Path) and not source.is_dir():
            sys.exit(f"{source} is no folder.")
    given = get_settings().admin_password
    password = given.get_secret_value() if given is not None else getpass(f"Password of {chosen.username}: ")
    try:
        result = asyncio.run(_run(chosen, password))
    except Refused as error:
        sys.exit(str(error))
    except httpx2.HTTPError as error:
        sys.exit(f"The API cannot be reached: {type(error).__name__}. Is 'evidesk up' running?")
    sys.stdout.write(f"{result.described()}\n")
    sys.exit(1 if result.failed else 0)


if __name__ == "__main__":
    main()
