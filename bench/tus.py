"""One file of 99 MB as a tus upload, beside the same as a multipart form and as a bare stream to a file."""

import http.client
import tempfile
import time
from itertools import repeat
from statistics import median
from typing import IO

from bench.report import Figures
from bench.stack import bare_server, running
from bench.upload import LINE, MEBIBYTE, SIZE, send, upload

ROUNDS = 3
REQUESTS = (1, 10)
"""In how many PATCHes the file is sent."""


def _tus(port: int, file: IO[bytes], token: str, requests: int) -> float:
    """Seconds from the announcement to the answer of the last PATCH."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    headers = {"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0"}
    at = time.perf_counter()
    announced = {**headers, "Upload-Length": str(SIZE), "Upload-Metadata": "filename c2VydmVyLmxvZw=="}
    location = _asked(connection, "POST", "/api/v1/files/resumable", None, announced, 201).getheader("Location", "")
    share = -(-SIZE // requests)
    offset = 0
    while offset < SIZE:
        length = min(share, SIZE - offset)
        file.seek(offset)
        sent = {
            **headers,
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(length),
        }
        _asked(connection, "PATCH", location, _Part(file, length), sent, 204)
        offset += length
    seconds = time.perf_counter() - at
    connection.close()
    return seconds


class _Part:
    """The next `length` bytes of a file, as http.client reads a body."""

    def __init__(self, file: IO[bytes], length: int) -> None:
        self._file, self._left = file, length

    def read(self, size: int = -1, /) -> bytes:
        chunk = self._file.read(min(MEBIBYTE, self._left))
        self._left -= len(chunk)
        return chunk


def _asked(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: _Part | None,
    headers: dict[str, str],
    status: int,
) -> http.client.HTTPResponse:
    connection.request(method, path, body=body, headers=headers)
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != status:
        raise RuntimeError(f"{method} {path} answered {answer.status}: {content[:300]!r}")
    return answer


def run() -> Figures:
    with (
        running("api", EVIDESK_HTTP__WORKERS="1", EVIDESK_FILES__USER_QUOTA_BYTES="0") as stack,
        bare_server(stack) as port,
        tempfile.TemporaryFile() as file,
    ):
        file.writelines(repeat(LINE, SIZE // len(LINE)))
        file.write(LINE[: SIZE % len(LINE)])
        token = stack.token()
        # The first one loads the type detector.
        upload(stack, file, token)
        names = ["bare Starlette stream to a file", "multipart form"]
        names += [f"tus, {count} PATCH{'es' if count > 1 else ''}" for count in REQUESTS]
        rounds = [
            [
                send(port, "/upload", file, b"", b"", {}),
                upload(stack, file, token),
                *(_tus(stack.port, file, token, count) for count in REQUESTS),
            ]
            for _ in range(ROUNDS)
        ]
    size = SIZE / MEBIBYTE
    rows = []
    for place, name in enumerate(names):
        ratios = sorted(one[0] / one[place] for one in rounds)
        shown = f"{median(ratios):.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})" if place else "1"
        rows.append([name, f"{size / median(one[place] for one in rounds):.0f}", shown])
    return Figures(
        "A resumable upload of one large file",
        [f"{size:.0f} MiB sent as", "MiB/s", "of the bare stream (min–max)"],
        rows,
        ["Pieces are synced as they come; with the last, the whole is hashed, typed, written and synced once more."],
    )
