"""One upload of 100 MB: how long beside a bare stream to a file, and how much memory more than at rest."""

import http.client
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import IO

from bench.report import Figures
from bench.stack import Stack, bare_server, running

MEBIBYTE = 1024 * 1024
SIZE = 99 * MEBIBYTE
ROUNDS = 3
LINE = b"2026-11-21T08:00:00Z INFO request GET /api/v1/tickets status=200 ms=3.1 id=00000000000000000000000\n"
BOUNDARY = b"bench-boundary"


def _chunks(file: IO[bytes], before: bytes, after: bytes) -> Iterator[bytes]:
    yield before
    file.seek(0)
    while chunk := file.read(MEBIBYTE):
        yield chunk
    yield after


def send(port: int, path: str, file: IO[bytes], before: bytes, after: bytes, headers: dict[str, str]) -> float:
    """Seconds until the answer; raises when it is not 201."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    headers = {**headers, "Content-Length": str(SIZE + len(before) + len(after))}
    at = time.perf_counter()
    connection.request("POST", path, body=_chunks(file, before, after), headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    seconds = time.perf_counter() - at
    connection.close()
    if answer.status != 201:
        raise RuntimeError(f"{path} answered {answer.status}: {body[:300]!r}")
    return seconds


def _memory(pid: int, field: str) -> float:
    """MiB, by the kernel's count."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    if found is None:
        raise RuntimeError(f"the kernel does not tell {field}")
    return int(found.group(1)) / 1024


def upload(stack: Stack, file: IO[bytes], token: str) -> float:
    before = b"--%s\r\nContent-Disposition: form-data; name=file; filename=server.log\r\n\r\n" % BOUNDARY
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY.decode()}",
    }
    return send(stack.port, "/api/v1/files/upload", file, before, b"\r\n--%s--\r\n" % BOUNDARY, headers)


def run() -> Figures:
    # One process, so that it is known which one to measure.
    with (
        running("api", EVIDESK_HTTP__WORKERS="1") as stack,
        bare_server(stack) as port,
        tempfile.TemporaryFile() as file,
    ):
        for _ in range(SIZE // len(LINE)):
            file.write(LINE)
        file.write(LINE[: SIZE % len(LINE)])
        token = stack.token()
        # The first one loads the type detector, which stays.
        upload(stack, file, token)
        pid = stack.pid("api")
        resting = _memory(pid, "VmRSS")
        # "5" resets the peak (proc_pid_clear_refs(5)).
        Path(f"/proc/{pid}/clear_refs").write_text("5")
        pairs = [(send(port, "/upload", file, b"", b"", {}), upload(stack, file, token)) for _ in range(ROUNDS)]
        peak = _memory(pid, "VmHWM")
    bare, ours = (median(pair[side] for pair in pairs) for side in (0, 1))
    ratios = sorted(pair[0] / pair[1] for pair in pairs)
    size = SIZE / MEBIBYTE
    return Figures(
        "Upload of one large file",
        ["what", "bare Starlette stream to a file", "Evidesk", "ratio (min–max)"],
        [
            [
                f"{size:.0f} MiB, MiB/s",
                f"{size / bare:.0f}",
                f"{size / ours:.0f}",
                f"{median(ratios):.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})",
            ],
            ["peak memory above rest, MiB", "", f"{peak - resting:.1f}", ""],
        ],
        ["Evidesk parses multipart, hashes and detects the type; both sync the file to disk before they answer."],
    )
