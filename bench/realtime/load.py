"""Ten thousand sockets in one process: epoll, frames made beforehand, and no more Python for a message than must be.

The same client for all servers. What differs is a `Dialect`: the address, the frames to be sent, and the marks by which
an answer is known.
"""

import errno
import resource
import select
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

AT_ONCE = 500
"""Handshakes under way at any moment."""
PER_ADDRESS = 5000
"""Connections from one loopback address: each has ports of its own."""
TIMEOUT = 600.0
PINGS = {b"\x89\x00": b"\x8a\x80\0\0\0\0"}
"""What a ping looks like, and its answer."""


def frame(text: str) -> bytes:
    """From a client: masked, with a mask that changes nothing."""
    data = text.encode()
    if len(data) < 126:
        return struct.pack("!BB", 0x81, 0x80 | len(data)) + bytes(4) + data
    return struct.pack("!BBH", 0x81, 0x80 | 126, len(data)) + bytes(4) + data


@dataclass(frozen=True)
class Step:
    """Send `frame` (None: nothing), and go on when `mark` has come."""

    frame: bytes | None
    mark: bytes


@dataclass(frozen=True)
class Dialect:
    """`path(token)` of the upgrade; `steps(token, after)` until subscribed; `pings` with their answers."""

    path: Callable[[str], str]
    steps: Callable[[str, int | None], list[Step]]
    pings: dict[bytes, bytes] = field(default_factory=lambda: PINGS)


class Refused(Exception):
    """A connection was closed or never answered."""


@dataclass(eq=False, slots=True)
class Socket:
    pipe: socket.socket
    number: int
    steps: list[Step]
    hello: bytes
    opened: float
    upgraded: bool = False
    done: float = 0.0
    received: bytearray = field(default_factory=bytearray)


class Load:
    def __init__(self, port: int, dialect: Dialect, tokens: list[str]) -> None:
        self._port = port
        self._dialect = dialect
        self._tokens = tokens
        self._epoll = select.epoll()
        self._sockets: dict[int, Socket] = {}
        self._connecting: set[int] = set()
        self.failures = 0

    def __len__(self) -> int:
        return len(self._sockets)

    def connect_all(self, *, after: int | None = None, until: bytes | None = None) -> list[float]:
        """Seconds from each connection's first packet to the last mark: its subscription, or `until` if given."""
        waiting = deque(range(len(self._tokens)))
        times: list[float] = []
        deadline = time.perf_counter() + TIMEOUT
        while len(times) < len(self._tokens):
            while waiting and len(self._connecting) < AT_ONCE:
                self._open(waiting.popleft(), after, until)
            if time.perf_counter() > deadline:
                raise Refused(f"{len(times)} of {len(self._tokens)} connections, {self.failures} failures")
            for one in self._turn(0.5):
                self._connecting.discard(one.pipe.fileno())
                if one.done:
                    times.append(one.done - one.opened)
                else:
                    # Refused or cut off: it comes again, and its time runs on.
                    self.failures += 1
                    waiting.append(one.number)
        return times

    def receive_all(self, mark: bytes) -> dict[int, float]:
        """When each connection, by number, has received `mark`; raises Refused when one does not in time."""
        at: dict[int, float] = {}
        deadline = time.perf_counter() + TIMEOUT
        while len(at) < len(self._sockets):
            if time.perf_counter() > deadline:
                raise Refused(f"{len(at)} of {len(self._sockets)} have heard")
            for number, data, moment in self._received(0.5):
                if mark in data:
                    at.setdefault(number, moment)
        return at

    def idle(self, seconds: float) -> None:
        """Answers pings meanwhile."""
        until = time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            for _ in self._received(left):
                pass

    def drop_all(self) -> None:
        """Without a goodbye, as when a network breaks."""
        for one in self._sockets.values():
            one.pipe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.pipe.close()
        self._sockets.clear()
        self._connecting.clear()

    def _open(self, number: int, after: int | None, until: bytes | None) -> None:
        token = self._tokens[number]
        pipe = socket.socket()
        pipe.setblocking(False)
        pipe.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pipe.bind((f"127.0.0.{2 + number // PER_ADDRESS}", 0))
        steps = self._dialect.steps(token, after)
        if until is not None:
            steps.append(Step(None, until))
        hello = (
            f"GET {self._dialect.path(token)} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode()
        one = Socket(pipe, number, steps, hello, time.perf_counter())
        if pipe.connect_ex(("127.0.0.1", self._port)) not in (0, errno.EINPROGRESS):
            raise Refused(f"connection {number} cannot be made")
        self._sockets[pipe.fileno()] = one
        self._connecting.add(pipe.fileno())
        self._epoll.register(pipe, select.EPOLLOUT)

    def _turn(self, seconds: float) -> Iterator[Socket]:
        """Connections that came to the end of their steps, or to their end."""
        for number, event in self._epoll.poll(seconds, 512):
            one = self._sockets[number]
            if event & select.EPOLLOUT and not event & (select.EPOLLERR | select.EPOLLHUP):
                self._epoll.modify(number, select.EPOLLIN)
                one.pipe.send(one.hello)
                continue
            data = self._read(one)
            if data is None:
                self._connecting.discard(number)
                del self._sockets[number]
                one.done = 0.0
                yield one
                one.pipe.close()
                continue
            one.received += data
            if not one.done and self._advance(one):
                one.done = time.perf_counter()
                one.received.clear()
                yield one

    def _advance(self, one: Socket) -> bool:
        if not one.upgraded:
            if b"\r\n\r\n" not in one.received:
                return False
            if not one.received.startswith(b"HTTP/1.1 101"):
                raise Refused(bytes(one.received[:200]).decode(errors="replace"))
            one.upgraded = True
            self._send(one)
        while one.steps and one.steps[0].mark in one.received:
            one.steps.pop(0)
            self._send(one)
        return not one.steps

    def _send(self, one: Socket) -> None:
        if one.steps and (sent := one.steps[0].frame) is not None:
            one.pipe.send(sent)

    def _received(self, seconds: float) -> list[tuple[int, bytes, float]]:
        """Number of the connection, what came, and when."""
        found = []
        for number, _event in self._epoll.poll(seconds, 512):
            one = self._sockets[number]
            data = self._read(one)
            if data is None:
                raise Refused(f"connection {one.number} was closed")
            found.append((one.number, data, time.perf_counter()))
        return found

    def _read(self, one: Socket) -> bytes | None:
        try:
            data = one.pipe.recv(65536)
        except OSError:
            return None
        for ping, pong in self._dialect.pings.items():
            if ping in data:
                one.pipe.send(pong)
        return data or None


@contextmanager
def many_files() -> Iterator[None]:
    """As many open files as this process, and what it starts, may have."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
