"""Against a server of this module's that speaks clamd's protocol."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.files.scanning.clamav import ClamAv
from app.files.scanning.verdict import ScannerAway

VERSION = "ClamAV 1.4.3/27800/Tue Nov 24 10:00:00 2026"
Answer = Callable[[bytes], str | None]


def clean_or_eicar(content: bytes) -> str | None:
    return "stream: Eicar-Test-Signature FOUND" if b"EICAR" in content else "stream: OK"


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer, limit: int) -> None:
    try:
        command = await reader.readuntil(b"\0")
        if command == b"zVERSION\0":
            writer.write(VERSION.encode() + b"\0")
            return
        content = b""
        while size := int.from_bytes(await reader.readexactly(4), "big"):
            content += await reader.readexactly(size)
            if len(content) > limit:
                writer.write(b"INSTREAM size limit exceeded. ERROR\0")
                return
        if (said := answer(content)) is not None:
            writer.write(said.encode() + b"\0")
    finally:
        writer.close()


@asynccontextmanager
async def clamd(answer: Answer = clean_or_eicar, *, limit: int = 10**7, path: Path | None = None) -> AsyncIterator[str]:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve(reader, writer, answer, limit)

    if path is not None:
        server: asyncio.Server = await asyncio.start_unix_server(talk, path)
        address = f"unix://{path}"
    else:
        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        address = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield address


async def chunks(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 3_000_000):
        yield content[start : start + 3_000_000]


async def test_a_clean_stream_passes_and_the_scanner_says_who_it_is() -> None:
    async with clamd() as address:
        verdict = await ClamAv(address, seconds=20).scan(chunks(bytes(7_000_000)))
    assert (verdict.harm, verdict.scanner) == (None, "ClamAV 1.4.3/27800")


async def test_what_it_found_is_named_over_a_unix_socket_too(tmp_path: Path) -> None:
    async with clamd(path=tmp_path / "c") as address:
        verdict = await ClamAv(address, seconds=20).scan(chunks(b"EICAR"))
    assert verdict.harm == "ClamAV found Eicar-Test-Signature."


async def test_a_stream_over_its_limit_does_not_pass() -> None:
    async with clamd(limit=10) as address:
        verdict = await ClamAv(address, seconds=20).scan(chunks(b"more than ten bytes"))
    assert "larger than" in str(verdict.harm)


@pytest.mark.parametrize("said", ["stream: Can't allocate memory ERROR", "", None])
async def test_an_answer_that_is_no_verdict_is_no_verdict(said: str | None) -> None:
    async with clamd(lambda _: said) as address:
        with pytest.raises(ScannerAway):
            await ClamAv(address, seconds=20).scan(chunks(b"x"))


async def test_a_scanner_that_is_not_there_or_does_not_answer_is_away(tmp_path: Path) -> None:
    with pytest.raises(ScannerAway):
        await ClamAv(f"unix://{tmp_path}/none", seconds=20).version()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.readuntil(b"\0") == b"zVERSION\0":
            writer.write(VERSION.encode() + b"\0")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ScannerAway, match="TimeoutError"):
            await ClamAv(f"tcp://127.0.0.1:{port}", seconds=0.2).scan(chunks(b"x"))


@pytest.mark.parametrize("address", ["http://host", "tcp://", "unix:", "clamd"])
def test_an_address_of_another_form_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="EVIDESK_SCAN__CLAMAV"):
        ClamAv(address, seconds=1)
