"""ClamAV through its daemon: clamd's own protocol (clamd(8)) over TCP or a Unix socket.

A file is sent in one `zINSTREAM` session: chunks, each with its length as four bytes, big-endian, in front, and a
chunk of length zero at the end. The answer is one line that ends with NUL. One connection a file: clamd closes it.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final
from urllib.parse import urlsplit

from app.files.scanning.verdict import ScannerAway, Verdict

DEFAULT_PORT: Final = 3310
CONNECT_SECONDS: Final = 5.0
MAX_CHUNK: Final = 1024 * 1024
MAX_ANSWER: Final = 4096

_OVER_LIMIT: Final = "INSTREAM size limit exceeded"


class ClamAv:
    """`address` is `tcp://host:port` or `unix:///path`. Raises ValueError for any other."""

    def __init__(self, address: str, *, seconds: float) -> None:
        parts = urlsplit(address)
        if not ((parts.scheme == "tcp" and parts.hostname) or (parts.scheme == "unix" and parts.path)):
            raise ValueError("EVIDESK_SCAN__CLAMAV is not of the form tcp://host:port or unix:///path.")
        self._unix = parts.path if parts.scheme == "unix" else None
        self._host, self._port = parts.hostname, parts.port or DEFAULT_PORT
        self._seconds = seconds

    async def version(self) -> str:
        """Program and signatures, as `ClamAV 1.4.3/27800`. Raises ScannerAway."""
        async with self._connected(CONNECT_SECONDS) as line:
            await _send(line, b"zVERSION\0")
            answer = await _answer(line)
        # The third part is the day of the signatures; the number before it says the same.
        return "/".join(answer.split("/")[:2])[:100]

    async def scan(self, chunks: AsyncIterator[bytes]) -> Verdict:
        """Raises ScannerAway: refused, broken off, too slow, or an answer that is no verdict."""
        scanner = await self.version()
        async with self._connected(self._seconds) as line:
            # clamd answers before the end when it has seen enough, and then reads no further.
            with suppress(ConnectionResetError, BrokenPipeError):
                await _send(line, b"zINSTREAM\0")
                async for chunk in chunks:
                    for start in range(0, len(chunk), MAX_CHUNK):
                        part = chunk[start : start + MAX_CHUNK]
                        await _send(line, len(part).to_bytes(4, "big") + part)
                await _send(line, bytes(4))
            answer = await _answer(line)
        return _verdict(answer, scanner)

    @asynccontextmanager
    async def _connected(self, seconds: float) -> AsyncIterator[socket.socket]:
        """Within `seconds` all in all; whatever the network does comes out as ScannerAway.

        A socket and no stream: asyncio's streams drop what came in as soon as a write fails, and so clamd's answer to
        a file that is too large for it.
        """
        try:
            async with asyncio.timeout(seconds):
                async with asyncio.timeout(CONNECT_SECONDS):
                    line = await self._open()
                with line:
                    yield line
        except (OSError, TimeoutError, EOFError) as error:
            raise ScannerAway(f"ClamAV does not answer ({type(error).__name__})") from error

    async def _open(self) -> socket.socket:
        if self._unix is not None:
            return await _connect(socket.AF_UNIX, self._unix)
        found = await asyncio.get_running_loop().getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        refusals: list[OSError] = []
        for family, _, _, _, address in found:
            try:
                return await _connect(family, address)
            except OSError as error:
                refusals.append(error)
        raise refusals[0] if refusals else OSError("the host has no address")


async def _connect(family: int, address: Any) -> socket.socket:
    line = socket.socket(family, socket.SOCK_STREAM)
    try:
        line.setblocking(False)
        await asyncio.get_running_loop().sock_connect(line, address)
    except BaseException:
        line.close()
        raise
    return line


async def _send(line: socket.socket, content: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(line, content)


async def _answer(line: socket.socket) -> str:
    """Raises EOFError for one that breaks off or does not end."""
    answer = b""
    while not answer.endswith(b"\0"):
        piece = await asyncio.get_running_loop().sock_recv(line, MAX_ANSWER)
        answer += piece
        if not piece or len(answer) > MAX_ANSWER:
            raise EOFError
    return answer[:-1].decode("utf-8", "replace").strip()


def _verdict(answer: str, scanner: str) -> Verdict:
    said = answer.removeprefix("stream: ")
    if said == "OK":
        return Verdict(scanner)
    if said.endswith(" FOUND"):
        return Verdict(scanner, harm=f"ClamAV found {said.removesuffix(' FOUND')[:200]}.")
    if said.startswith(_OVER_LIMIT):
        # Asking again would change nothing, and what was not scanned does not pass.
        return Verdict(scanner, harm="The file is larger than ClamAV was set to scan (StreamMaxLength).")
    raise ScannerAway("ClamAV could not scan the file")
