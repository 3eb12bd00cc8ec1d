"""Other people's mail servers: an IMAP folder that speaks as much of RFC 3501 as is asked of it."""

import asyncio
import base64
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

REFUSED = b"* NO\r\n"
_UIDS = re.compile(r"UID (\d+):(\*|\d+)")


@dataclass
class Kept:
    content: bytes
    flags: set[str] = field(default_factory=set)


@dataclass
class ImapPeer:
    """After the answer to `cut_after` the connection is cut: what was asked for is done, and nobody hears of it.

    With `tls` it speaks TLS from the first byte, or, if `upgrades`, after STARTTLS. `overheard` came in the clear.
    """

    password: str = "secret"
    validity: int = 7
    folders: dict[str, dict[int, Kept]] = field(default_factory=lambda: {"INBOX": {}, "Done": {}})
    can_move: bool = True
    port: int = 0
    cut_after: str | None = None
    commands: list[str] = field(default_factory=list)
    overheard: list[str] = field(default_factory=list)
    tls: ssl.SSLContext | None = None
    upgrades: bool = False
    bearer: str | None = None
    _next: int = 1

    @property
    def inbox(self) -> dict[int, Kept]:
        return self.folders["INBOX"]

    def put(self, content: bytes, *flags: str) -> int:
        uid, self._next = self._next, self._next + 1
        self.inbox[uid] = Kept(content, set(flags))
        return uid

    @asynccontextmanager
    async def served(self) -> AsyncIterator["ImapPeer"]:
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0, ssl=None if self.upgrades else self.tls)
        async with server:
            self.port = server.sockets[0].getsockname()[1]
            yield self

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK ready\r\n")
        secure = self.tls is not None and not self.upgrades
        try:
            while line := await reader.readline():
                tag, _, command = line.decode(errors="replace").strip().partition(" ")
                self.commands.append(command)
                if not secure:
                    self.overheard.append(command)
                if command == "STARTTLS" and self.upgrades and self.tls is not None and not secure:
                    writer.write(f"{tag} OK begin\r\n".encode())
                    await writer.drain()
                    await writer.start_tls(self.tls)
                    secure = True
                    continue
                if command == "AUTHENTICATE XOAUTH2":
                    answer = await self._bearer(reader, writer)
                else:
                    answer = self._answer(command, secure=secure)
                if self.cut_after is not None and command.startswith(self.cut_after):
                    self.cut_after = None
                    return
                state = "NO" if answer == REFUSED else "OK"
                writer.write(answer + f"{tag} {state} done\r\n".encode())
                await writer.drain()
                if command == "LOGOUT":
                    return
        except (ssl.SSLError, ConnectionError):
            # The client does not trust it.
            return
        finally:
            writer.close()

    async def _bearer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"+ \r\n")
        given = base64.b64decode(await reader.readline()).decode()
        if self.bearer is not None and given == f"user=desk\x01auth=Bearer {self.bearer}\x01\x01":
            return b""
        writer.write(b"+ " + base64.b64encode(b'{"status":"400"}') + b"\r\n")
        assert await reader.readline() == b"\r\n"
        return REFUSED

    def _answer(self, command: str, *, secure: bool) -> bytes:
        verb, _, rest = command.partition(" ")
        if verb == "CAPABILITY":
            more = [*(["MOVE"] if self.can_move else []), *(["STARTTLS"] if self.upgrades and not secure else [])]
            return f"* CAPABILITY {' '.join(['IMAP4rev1', *more])}\r\n".encode()
        if verb == "LOGIN":
            return b"" if rest.endswith(f'"{self.password}"') else REFUSED
        if verb == "SELECT":
            return f"* {len(self.inbox)} EXISTS\r\n* OK [UIDVALIDITY {self.validity}] good\r\n".encode()
        if verb == "UID":
            return self._by_uid(*rest.split(" ", 1))
        return b"* BYE\r\n" if verb == "LOGOUT" else b""

    def _by_uid(self, verb: str, rest: str) -> bytes:
        if verb == "SEARCH":
            return f"* SEARCH {' '.join(map(str, self._search(rest)))}\r\n".encode()
        uid = int(rest.partition(" ")[0])
        kept = self.inbox.get(uid)
        if kept is None:
            return b""
        if verb == "FETCH":
            if "SIZE" in rest:
                return b"* 1 FETCH (UID %d RFC822.SIZE %d)\r\n" % (uid, len(kept.content))
            return b"* 1 FETCH (UID %d BODY[] {%d}\r\n%b)\r\n" % (uid, len(kept.content), kept.content)
        if verb == "STORE":
            kept.flags |= set(re.findall(r"\\\w+", rest))
        elif verb in ("MOVE", "COPY"):
            self.folders[rest.split(" ", 1)[1].strip('"')][uid] = kept if verb == "MOVE" else Kept(kept.content)
            if verb == "MOVE":
                del self.inbox[uid]
        return b""

    def _search(self, criteria: str) -> list[int]:
        found = [uid for uid, kept in self.inbox.items() if "\\Deleted" not in kept.flags]
        if "UNSEEN" in criteria:
            found = [uid for uid in found if "\\Seen" not in self.inbox[uid].flags]
        if match := _UIDS.search(criteria):
            first = int(match[1])
            if match[2] == "*":
                # As the RFC has it: "*" is the last one there is, even when that is before `first`.
                return [uid for uid in found if uid >= first] or found[-1:]
            found = [uid for uid in found if first <= uid <= int(match[2])]
        return found
