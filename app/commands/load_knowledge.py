"""`evidesk knowledge load FOLDER`: every document of a folder into what the desk knows, over the public API.

A file's address is its place in the folder, so that loading again replaces what changed, costs nothing for what did
not, and never makes a second copy. What cannot be read is named; the others are loaded.
"""

import argparse
import asyncio
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
from app.files.content_type import EmptyContent, identify
from app.files.recognition.recognise import recognise
from app.files.recognition.result import RecognitionFailed, RecognitionSettings
from app.files.sample import Sample

PLAIN = frozenset({".md", ".markdown", ".txt", ".rst", ".adoc"})
"""Read as they are: their headings are how they are cut into passages."""
CONVERTED = frozenset({".html", ".htm", ".pdf", ".docx", ".pptx", ".xlsx", ".odt", ".rtf", ".epub"})
TITLE_CHARS = 300
SECONDS = 60.0


@dataclass
class Loaded:
    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    failed: list[str] = field(default_factory=list)

    def described(self) -> str:
        counts = f"{self.added} added, {self.replaced} replaced, {self.unchanged} unchanged, {len(self.failed)} failed"
        return "\n".join([counts, *(f"  {one}" for one in self.failed)])


class Refused(Exception):
    """The API did not let us in; the text says what it answered."""


def files_of(folder: Path) -> Iterator[Path]:
    """Sorted, hidden ones and links left out."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix.lower() in PLAIN | CONVERTED and path.is_file() and not path.is_symlink() and not hidden:
            yield path


def text_of(path: Path) -> str:
    """Raises RecognitionFailed, EmptyContent, OSError, UnicodeDecodeError."""
    if path.suffix.lower() in PLAIN:
        return path.read_text(encoding="utf-8-sig").replace("\x00", " ")
    content = identify(Sample.of_path(path), filename=path.name)
    return recognise(path, content, settings=RecognitionSettings(), progress=lambda *_: None).text


def title_of(path: Path, text: str) -> str:
    """Its first heading or line, if that is one; else the file's name."""
    first = next((line.strip() for line in text.splitlines() if line.strip()), "").lstrip("# ").rstrip("# ")
    return first if 0 < len(first) <= TITLE_CHARS else path.stem[:TITLE_CHARS]


async def load(client: httpx2.AsyncClient, folder: Path, acl: dict[str, Any]) -> Loaded:
    """`client` is authorised."""
    result = Loaded()
    for path in files_of(folder):
        name = path.relative_to(folder).as_posix()
        try:
            text = await asyncio.to_thread(text_of, path)
        except (RecognitionFailed, EmptyContent, OSError, UnicodeDecodeError) as error:
            result.failed.append(f"{name}: {error}")
            continue
        if not text.strip():
            result.failed.append(f"{name}: there is no text in it")
            continue
        document = {"title": title_of(path, text), "text": text, "uri": f"{folder.name}/{name}", "acl": acl}
        await _send(client, document, name, result)
    return result


async def _send(client: httpx2.AsyncClient, document: dict[str, Any], name: str, result: Loaded) -> None:
    documents = f"{API_PREFIX}/knowledge/documents"
    listed = await client.get(documents, params={"uri": document["uri"], "limit": 1})
    known = listed.json() if listed.is_success else []
    if known:
        answer = await client.put(f"{documents}/{known[0]['doc_id']}", json=document)
    else:
        answer = await client.post(documents, json=document)
    if answer.is_error:
        problem = answer.json() if "json" in answer.headers.get("content-type", "") else {}
        result.failed.append(f"{name}: {problem.get('detail') or answer.status_code}")
    elif not known:
        result.added += 1
    elif answer.json()["version"] == known[0]["version"]:
        result.unchanged += 1
    else:
        result.replaced += 1


async def log_in(client: httpx2.AsyncClient, username: str, password: str) -> None:
    """Raises Refused."""
    answer = await client.post(f"{API_PREFIX}/auth/login", json={"username": username, "password": password})
    if answer.is_error:
        raise Refused(f"{username} could not log in: the API answered {answer.status_code}.")
    client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"


async def _run(chosen: argparse.Namespace, password: str) -> Loaded:
    acl: dict[str, Any] = {"roles": chosen.role} if chosen.role else {"public": True}
    address = chosen.url or Addresses.of(get_settings()).http
    async with httpx2.AsyncClient(base_url=address, timeout=SECONDS, trust_env=False) as client:
        await log_in(client, chosen.username, password)
        return await load(client, chosen.folder, acl)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="evidesk knowledge load")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--url")
    parser.add_argument("--username", default="admin")
    parser.add_argument("--role", action="append", default=[])
    chosen = parser.parse_args(arguments)
    if not chosen.folder.is_dir():
        sys.exit(f"{chosen.folder} is no folder.")
    chosen.folder = chosen.folder.resolve()
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
