"""Against clamd itself, where it is installed (Debian: clamav-daemon), with a signature of the test's own."""

import asyncio
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from app.files.scanning.clamav import ClamAv

HARM = b"evidesk harmless test signature 7a1f"
LIMIT = 2_000_000


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    program = shutil.which("clamd")
    if program is None:
        pytest.skip("clamd is not installed on this machine")
    # A socket's path may have some hundred characters at most.
    with tempfile.TemporaryDirectory(prefix="clamd-") as folder:
        (Path(folder) / "own.ndb").write_text(f"Evidesk.Test:0:*:{HARM.hex()}\n")
        socket, config = Path(folder) / "socket", Path(folder) / "clamd.conf"
        lines = [f"LocalSocket {socket}", f"DatabaseDirectory {folder}", "Foreground yes", f"StreamMaxLength {LIMIT}"]
        config.write_text("\n".join(lines) + "\n")
        server = subprocess.Popen([program, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until = time.monotonic() + 60
            while not socket.exists():
                assert server.poll() is None, "clamd did not start"
                assert time.monotonic() < until, "clamd does not listen"
                time.sleep(0.05)
            yield f"unix://{socket}"
        finally:
            server.terminate()
            server.wait(30)


async def chunks(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def test_clamd_passes_what_is_clean_and_names_what_is_not(address: str) -> None:
    clamav = ClamAv(address, seconds=60)
    clean, harmful, inside = await asyncio.gather(
        clamav.scan(chunks(b"words\n" * 100_000)),
        clamav.scan(chunks(b"before " + HARM + b" after")),
        clamav.scan(chunks(b"x" * 1_500_000 + HARM)),
    )
    assert clean.harm is None
    assert clean.scanner.startswith("ClamAV ")
    for verdict in (harmful, inside):
        assert verdict.harm == "ClamAV found Evidesk.Test.UNOFFICIAL."


async def test_clamd_does_not_pass_what_is_over_its_limit(address: str) -> None:
    verdict = await ClamAv(address, seconds=60).scan(chunks(bytes(LIMIT + 1_000_000)))
    assert "larger than ClamAV was set to scan" in str(verdict.harm)
