"""`evidesk knowledge load SOURCE…`: documents of folders, single files, and web pages, over the public API.

A file's address is its place in the folder, so that loading again replaces what changed, costs nothing for what did
not, and never makes a second copy. Office files, PDF and HTML are sent as they are, and read by the workers. What
cannot be read is named; the others are loaded. A page that is known is fetched again, by the workers.
"""

import argparse
import asyncio
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from getpass import getpass
from itertools import islice
from pathlib import Path
from typing import Any

import httpx2

from app.accounts.service import ADMIN_USERNAME
from app.commands.login import Login, Refused, why
from app.commands.progress import Shown
from app.commands.refusing import refuse
from app.core.http import API_PREFIX
from app.core.settings import get_settings
from app.embedded.instance import Instance
from app.embedded.services import Addresses
from app.knowledge.schemas import Acl

PLAIN = frozenset({".md", ".markdown", ".txt", ".rst", ".adoc"})
"""Sent as text: their headings are how they are cut into passages."""
CONVERTED = frozenset({".html", ".htm", ".pdf", ".docx", ".pptx", ".xlsx", ".odt", ".rtf", ".epub"})
TITLE_CHARS = 300
SECONDS = 60.0
WAIT_SECONDS = 3600.0
POLL_SECONDS = 0.5
POLLED = 20
"""Workers take documents in their order, so the first of those under way tell how far they are."""
DOCUMENTS = f"{API_PREFIX}/knowledge/documents"


@dataclass
class Loaded:
    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    asked: int = 0
    """Pages that will be looked at again."""
    failed: list[str] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    """Files that are no documents, by how their names end."""
    under_way: dict[str, str] = field(default_factory=dict)
    """By its id, the name of each document that is still to be read and indexed."""

    @property
    def seen(self) -> int:
        return self.added + self.replaced + self.unchanged + self.asked + len(self.failed)

    def described(self) -> str:
        counts = f"{self.added} added, {self.replaced} replaced, {self.unchanged} unchanged, {len(self.failed)} failed"
        counts += f", {self.asked} to be fetched again" if self.asked else ""
        kinds = ", ".join(f"{number} {ending or 'without an ending'}" for ending, number in self.skipped.most_common())
        lines = [
            counts,
            *(f"  {one}" for one in self.failed),
            *([f"Not documents, left out: {kinds}"] if kinds else []),
        ]
        return "\n".join(lines)


def files_of(source: Path, result: Loaded) -> tuple[Path, list[Path]]:
    """Of a folder: itself, and what is in it, sorted, hidden ones and links left out. Of a file: its folder and it."""
    if source.is_file():
        return source.parent, [source]
    paths = []
    for path in sorted(source.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(source).parts)
        if hidden or path.is_symlink() or not path.is_file():
            continue
        if path.suffix.lower() in PLAIN | CONVERTED:
            paths.append(path)
        else:
            result.skipped[path.suffix.lower()] += 1
    return source, paths


def title_of(path: Path, text: str) -> str:
    """Its first heading or line, if that is one; else the file's name."""
    first = next((line.strip() for line in text.splitlines() if line.strip()), "").lstrip("# ").rstrip("# ")
    return first if 0 < len(first) <= TITLE_CHARS else path.stem[:TITLE_CHARS]


async def load(
    client: httpx2.AsyncClient,
    source: Path,
    acl: dict[str, Any],
    result: Loaded | None = None,
    progress: Shown | None = None,
) -> Loaded:
    """`client` is authorised. Documents are stored, not yet indexed: see `settle`."""
    result = result or Loaded()
    folder, found = files_of(source, result)
    paths: Iterable[Path] = found
    for path in progress.track(paths, description=f"Sending {source.name}") if progress else paths:
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
    known = await _known(client, url)
    if known and known["page"]:
        answer = await client.post(f"{DOCUMENTS}/{known['doc_id']}/fetch")
    else:
        answer = await client.post(f"{API_PREFIX}/knowledge/pages", json={"url": url, "acl": acl})
    if answer.is_error:
        result.failed.append(f"{url}: {why(answer)}")
        return
    document = answer.json()
    if document["status"] == "pending":
        result.under_way[document["doc_id"]] = url
    if known and known["page"]:
        result.asked += 1
    else:
        result.added += 1


async def settle(client: httpx2.AsyncClient, result: Loaded, *, seconds: float, progress: Shown | None = None) -> None:
    """Until all of them can be found, or not: what cannot be read is named."""
    deadline = asyncio.get_running_loop().time() + seconds
    total = len(result.under_way)
    while result.under_way and asyncio.get_running_loop().time() < deadline:
        if progress is not None:
            progress.count("Reading and indexing", total - len(result.under_way), total)
        for doc_id, name in [*islice(result.under_way.items(), POLLED)]:
            answer = await client.get(f"{DOCUMENTS}/{doc_id}")
            if answer.status_code == httpx2.codes.NOT_FOUND:
                document = {"status": "failed", "error": "it was deleted meanwhile"}
            else:
                document = answer.json() if answer.is_success else {"status": "pending"}
            if document["status"] != "pending":
                del result.under_way[doc_id]
            if document["status"] == "failed":
                result.failed.append(f"{name}: {document['error']}")
        if result.under_way:
            await asyncio.sleep(POLL_SECONDS)
    result.failed += [f"{name}: not indexed after {seconds:g} s" for name in result.under_way.values()]


async def _known(client: httpx2.AsyncClient, uri: str) -> dict[str, Any] | None:
    """The document that has this address."""
    listed = await client.get(DOCUMENTS, params={"uri": uri, "limit": 1})
    return next(iter(listed.json()), None) if listed.is_success else None


def _as_text(path: Path, content: bytes, acl: dict[str, Any]) -> dict[str, Any]:
    """Raises ValueError."""
    try:
        text = content.decode("utf-8-sig").replace("\x00", " ")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line} is not UTF-8; save it as UTF-8") from error
    if not text.strip():
        raise ValueError("there is no text in it")
    return {"json": {"title": title_of(path, text), "text": text, "acl": acl}}


def _as_file(path: Path, content: bytes, acl: dict[str, Any]) -> dict[str, Any]:
    return {"files": {"file": (path.name, content)}, "data": {"acl": json.dumps(acl)}}


async def _send(
    client: httpx2.AsyncClient, uri: str, sent: dict[str, Any], sha256: str, name: str, result: Loaded
) -> None:
    known = await _known(client, uri)
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
        result.failed.append(f"{name}: {why(answer)}")
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


async def _run(chosen: argparse.Namespace, address: str, password: str) -> Loaded:
    named = {"roles": chosen.role, "teams": chosen.team}
    acl: dict[str, Any] = {name: given for name, given in named.items() if given} or {"public": True}
    login = Login(chosen.username, password)
    with Shown() as progress:
        async with httpx2.AsyncClient(base_url=address, auth=login, timeout=SECONDS, trust_env=False) as client:
            result = Loaded()
            for source in chosen.source:
                if isinstance(source, str):
                    await load_page(client, source, acl, result)
                else:
                    await load(client, source, acl, result, progress)
            await settle(client, result, seconds=chosen.wait, progress=progress)
            return result


def _address() -> str:
    """A running instance's, else that of the settings."""
    settings = get_settings()
    state = Instance(settings.data_dir.resolve()).read()
    running = state.addresses.get("API") if state is not None and state.running else None
    return running or Addresses.of(settings).http


def _password(username: str) -> str:
    """The settings hold the administrator's alone."""
    given = get_settings().admin_password
    if given is not None and username == ADMIN_USERNAME:
        return given.get_secret_value()
    if not sys.stdin.isatty():
        # In a pipe: its first line.
        return sys.stdin.readline().rstrip("\n")
    return getpass(f"Password of {username}: ")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="evidesk knowledge load")
    parser.add_argument("source", nargs="+", help="a folder, a file, or the address of a web page")
    parser.add_argument("--url")
    parser.add_argument("--username", default=ADMIN_USERNAME)
    parser.add_argument("--role", action="append", default=[])
    parser.add_argument("--team", action="append", default=[])
    parser.add_argument("--wait", type=float, default=WAIT_SECONDS, help="seconds, for all to be indexed")
    chosen = parser.parse_args(arguments)
    chosen.source = [one if one.startswith(("https://", "http://")) else Path(one).resolve() for one in chosen.source]
    for source in chosen.source:
        if isinstance(source, Path) and not source.exists():
            refuse(f"There is no {source}.")
        if isinstance(source, Path) and source.is_file() and source.suffix.lower() not in PLAIN | CONVERTED:
            refuse(f"{source} is none of {', '.join(sorted(PLAIN | CONVERTED))}.")
    address = chosen.url or _address()
    try:
        result = asyncio.run(_run(chosen, address, _password(chosen.username)))
    except Refused as error:
        refuse(str(error))
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        refuse(f"The API at {address} cannot be reached ({type(error).__name__}). Is 'evidesk up' running?")
    except KeyboardInterrupt:
        sys.exit("Stopped. What was sent stays; the same command goes on.")
    sys.stdout.write(f"{result.described()}\n")
    if not result.seen:
        refuse(f"No document was found: their names end with {', '.join(sorted(PLAIN | CONVERTED))}.")
    sys.exit(1 if result.failed else 0)


if __name__ == "__main__":
    main()
