"""ClamAV through its daemon: clamd's own protocol (clamd(8)) over TCP or a Unix socket.

A file is sent in one `zINSTREAM` session: chunks, each with its length as four bytes, big-endian, in front, and a
chunk of length zero at the end. The answer is one line that ends with NUL. One connection a file: clamd closes it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final
from urllib.parse import urlsplit

from app.files.scanning.verdict import ScannerAway, Verdict

DEFAULT_PORT: Final = 3310
CONNECT_SECONDS: Final = 5.0
MAX_CHUNK: Final = 1024 * 1024
MAX_ANSWER: Final = 4096

_OVER_LIMIT: Final = "INSTREAM size limit exceeded"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


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
        async with self._connected(CONNECT_SECONDS) as streams:
            await _send(streams[1], b"zVERSION\0")
            answer = await _answer(streams[0])
        # The third part is the day of the signatures; the number before it says the same.
        return "/".join(answer.split("/")[:2])[:100]

    async def scan(self, chunks: AsyncIterator[bytes]) -> Verdict:
        """Raises ScannerAway: refused, broken off, too slow, or an answer that is no verdict."""
        scanner = await self.version()
        async with self._connected(self._seconds) as (reader, writer):
            # clamd answers before the end when it has seen enough, and then reads no further.
            with suppress(ConnectionResetError, BrokenPipeError):
                await _send(writer, b"zINSTREAM\0")
                async for chunk in chunks:
                    for start in range(0, len(chunk), MAX_CHUNK):
                        part = chunk[start : start + MAX_CHUNK]
                        await _send(writer, len(part).to_bytes(4, "big") + part)
                await _send(writer, bytes(4))
            answer = await _answer(reader)
        return _verdict(answer, scanner)

    @asynccontextmanager
    async def _connected(self, seconds: float) -> AsyncIterator[Streams]:
        """Within `seconds` all in all; whatever the network does comes out as ScannerAway."""
        try:
            async with asyncio.timeout(seconds):
                async with asyncio.timeout(CONNECT_SECONDS):
                    reader, writer = await self._open()
                try:
                    yield reader, writer
                finally:
                    writer.close()
                    with suppress(OSError):
                        await writer.wait_closed()
        except (OSError, TimeoutError, asyncio.LimitOverrunError, asyncio.IncompleteReadError) as error:
            raise ScannerAway(f"ClamAV does not answer ({type(error).__name__})") from error

    async def _open(self) -> Streams:
        if self._unix is not None:
            return await asyncio.open_unix_connection(self._unix, limit=MAX_ANSWER)
        return await asyncio.open_connection(self._host, self._port, limit=MAX_ANSWER)


async def _send(writer: asyncio.StreamWriter, content: bytes) -> None:
    writer.write(content)
    await writer.drain()


async def _answer(reader: asyncio.StreamReader) -> str:
    return (await reader.readuntil(b"\0"))[:-1].decode("utf-8", "replace").strip()


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
