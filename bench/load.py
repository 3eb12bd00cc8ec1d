"""A small HTTP/1.1 load generator: keep-alive connections that send the next request when the last is answered.

Run as a process of its own (`python -m bench.load`), so that its work is not counted as the server's. It prints one
JSON line: requests, seconds, per_second, p50_ms, p95_ms, p99_ms, failures.
"""

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import cast

import uvloop

CONNECTIONS = 16


@dataclass(frozen=True)
class Load:
    requests: int
    seconds: float
    per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    failures: int


class _Connection(asyncio.Protocol):
    def __init__(self, requests: Iterator[bytes], expected: bytes, until: Callable[[], bool]) -> None:
        self._requests = requests
        self._expected = expected
        self._until = until
        self._buffer = b""
        self._sent = 0.0
        self.seconds: list[float] = []
        self.failures = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transport is one in all but its bases.
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        lower = head.lower()
        at = lower.index(b"content-length:") + 15
        length = int(lower[at : lower.find(b"\r", at) if b"\r" in lower[at:] else None])
        if len(body) < length:
            return
        self._buffer = b""
        self.seconds.append(time.perf_counter() - self._sent)
        if head[9:12] != self._expected:
            self.failures += 1
        if self._until():
            self._transport.close()
        else:
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(next(self._requests))


async def generate(port: int, make: Callable[[int], bytes], *, expected: int, seconds: float) -> Load:
    """Requests `make(0)`, `make(1)`, … over CONNECTIONS connections until `seconds` have passed."""
    loop = asyncio.get_running_loop()
    requests = map(make, itertools.count())
    started = time.perf_counter()
    until = started + seconds
    connections = []
    for _ in range(CONNECTIONS):
        _, connection = await loop.create_connection(
            lambda: _Connection(requests, str(expected).encode(), lambda: time.perf_counter() >= until),
            "127.0.0.1",
            port,
        )
        connections.append(connection)
    await asyncio.gather(*(connection.done for connection in connections))
    took = time.perf_counter() - started
    times = sorted(t * 1000 for connection in connections for t in connection.seconds)
    p50, p95, p99 = (round(times[min(len(times) - 1, int(len(times) * share))], 2) for share in (0.5, 0.95, 0.99))
    failures = sum(connection.failures for connection in connections)
    return Load(len(times), round(took, 2), round(len(times) / took, 1), p50, p95, p99, failures)


def request(method: str, path: str, *, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: bench"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


DESCRIPTION = "The export stops with error 500 after the third page. " * 4


def create(token: str) -> Callable[[int], bytes]:
    headers = {"Authorization": f"Bearer {token}"}

    def make(number: int) -> bytes:
        body = {"title": f"Export stops with an error {number}", "description": DESCRIPTION, "category": "bug"}
        return request("POST", "/api/v1/tickets", body=json.dumps(body).encode(), headers=headers)

    return make


def listing(token: str) -> Callable[[int], bytes]:
    message = request("GET", "/api/v1/tickets?limit=20", headers={"Authorization": f"Bearer {token}"})
    return lambda _number: message


def main() -> None:
    kind, port, token, seconds = sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
    make, expected = {"create": (create, 201), "list": (listing, 200)}[kind]
    load = uvloop.run(generate(port, make(token), expected=expected, seconds=seconds))
    print(json.dumps(asdict(load)))


if __name__ == "__main__":
    main()
