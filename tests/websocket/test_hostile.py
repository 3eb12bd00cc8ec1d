"""Whatever is sent on the wire: each is answered or closed with a code, and the server serves on."""

import asyncio
import json
import struct
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from app.core.resources import Resources
from app.websocket.frames import Incoming, Violation, text_frame, text_of_frame
from tests.factories import people, tickets
from tests.websocket.conftest import Client, Publisher, Server, ServerFactory

TEXT, BINARY, CLOSE, PING, CONTINUATION = 0x81, 0x82, 0x88, 0x89, 0x80
PROTOCOL_ERROR, BAD_TEXT, TOO_BIG = 1002, 1007, 1009


def frame(payload: bytes, first: int = TEXT, *, mask: bytes = b"\1\2\3\4", claims: int | None = None) -> bytes:
    """As a client would make it; `claims` is a length that it does not have, no `mask` leaves it bare."""
    length = len(payload) if claims is None else claims
    masked = 0x80 if mask else 0
    if length < 126:
        head = struct.pack("!BB", first, masked | length)
    elif length < 65536:
        head = struct.pack("!BBH", first, masked | 126, length)
    else:
        head = struct.pack("!BBQ", first, masked | 127, length)
    return head + mask + bytes(byte ^ mask[n % 4] if mask else byte for n, byte in enumerate(payload))


ASK = json.dumps({"type": "get_ticket_status", "data": {"ticket_id": 1}, "request_id": "r"}).encode()


class Raw:
    """A peer that writes bytes, not messages."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def read(self) -> tuple[int, bytes]:
        """The next frame from the server."""
        async with asyncio.timeout(15):
            first, length = await self.reader.readexactly(2)
            if length == 126:
                (length,) = struct.unpack("!H", await self.reader.readexactly(2))
            elif length == 127:
                (length,) = struct.unpack("!Q", await self.reader.readexactly(8))
            return first, await self.reader.readexactly(length)

    async def code(self) -> int:
        """Of the close, after whatever else comes."""
        while True:
            first, payload = await self.read()
            if first == CLOSE:
                return int.from_bytes(payload[:2])

    async def ended(self) -> bool:
        async with asyncio.timeout(15):
            return await self.reader.read() == b""


@asynccontextmanager
async def raw(server: Server, person: people.Person, extra: str = "") -> AsyncIterator[Raw]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        f"GET /ws?token={person.token} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{extra}\r\n".encode()
    )
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101")
        assert b"permessage-deflate" not in head.lower()
        yield Raw(reader, writer)
    finally:
        writer.close()


async def serves(server: Server, person: people.Person) -> bool:
    async with server.connect(person.token) as client:
        return bool((await client.ask("get_ticket_status", "r", ticket_id=1))["request_id"] == "r")


BOMB = zlib.compressobj(9, zlib.DEFLATED, -15)
COMPRESSED = BOMB.compress(b'{"type":"' + b"a" * 50_000_000) + BOMB.flush(zlib.Z_SYNC_FLUSH)

BROKEN: dict[str, tuple[bytes, int]] = {
    "a compression bomb": (frame(COMPRESSED[:60_000], 0xC1), PROTOCOL_ERROR),
    "a reserved bit": (frame(b"{}", 0xA1), PROTOCOL_ERROR),
    "an unknown opcode": (frame(b"{}", 0x83), PROTOCOL_ERROR),
    "an unknown control frame": (frame(b"", 0x8B), PROTOCOL_ERROR),
    "no mask": (frame(b"{}", mask=b""), PROTOCOL_ERROR),
    "a continuation of nothing": (frame(b"{}", CONTINUATION), PROTOCOL_ERROR),
    "a message within a message": (frame(b"{", 0x01) + frame(b"{}"), PROTOCOL_ERROR),
    "a ping in fragments": (frame(b"", 0x09), PROTOCOL_ERROR),
    "a ping that is too long": (frame(b"x" * 126, PING), PROTOCOL_ERROR),
    "a close of one byte": (frame(b"\3", CLOSE), PROTOCOL_ERROR),
    "a close with a code that is never sent": (frame(struct.pack("!H", 1006), CLOSE), PROTOCOL_ERROR),
    "a close whose reason is no text": (frame(struct.pack("!H", 1000) + b"\xff", CLOSE), BAD_TEXT),
    "no text": (frame(b"\xff\xfe"), BAD_TEXT),
    "a length of eight exabytes": (frame(b"", claims=2**63), TOO_BIG),
    "a frame that says it is too big": (frame(b"", claims=70_000), TOO_BIG),
    "fragments that are too big together": (
        frame(b"x" * 40_000, 0x01) + frame(b"x" * 40_000, CONTINUATION),
        TOO_BIG,
    ),
    "many fragments that are too big together": (
        frame(b"", 0x01) + frame(b"x" * 4000, 0x00) * 17,
        TOO_BIG,
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
async def test_what_breaks_the_protocol_is_closed_with_its_code(
    server: Server, customer: people.Person, kind: str
) -> None:
    sent, code = BROKEN[kind]
    async with raw(server, customer) as peer:
        peer.writer.write(frame(ASK))
        assert (await peer.read())[0] == TEXT
        peer.writer.write(sent)
        assert await peer.code() == code
        # It goes on talking, and is heard by nobody.
        peer.writer.write(frame(ASK) * 10 + frame(struct.pack("!H", 1000), CLOSE))
        assert await peer.ended()
    assert await serves(server, customer)


async def test_compression_is_never_agreed_upon(server: Server, customer: people.Person) -> None:
    offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
    async with raw(server, customer, offer) as peer:
        peer.writer.write(frame(ASK))
        assert (await peer.read())[0] == TEXT


async def test_a_message_that_comes_byte_by_byte_with_pings_between_is_one_message(
    server: Server, customer: people.Person
) -> None:
    async with raw(server, customer) as peer:
        parts = frame(ASK[:10], 0x01) + frame(b"hi", PING) + frame(b"", 0x00) + frame(ASK[10:], CONTINUATION)
        for byte in parts:
            peer.writer.write(bytes((byte,)))
            await asyncio.sleep(0)
        assert await peer.read() == (0x8A, b"hi")
        first, payload = await peer.read()
        assert (first, json.loads(payload)["request_id"]) == (TEXT, "r")


async def test_a_close_is_answered_with_its_code(server: Server, customer: people.Person) -> None:
    for sent, answered in ((struct.pack("!H", 4321) + b"bye", 4321), (b"", 1000)):
        async with raw(server, customer) as peer:
            peer.writer.write(frame(sent, CLOSE))
            assert await peer.code() == answered
            assert await peer.ended()
    await server.idle()


async def test_a_flood_of_pings_and_messages_from_one_who_does_not_read_harms_nobody(
    server_with: ServerFactory, customer: people.Person, agent: people.Person
) -> None:
    async with server_with({"messages_per_minute": 60}) as server, raw(server, customer) as peer:
        flood = frame(b"x" * 125, PING) * 2000 + frame(b"{}") * 2000
        for _ in range(5):
            peer.writer.write(flood)
        assert await serves(server, agent)
        assert await peer.code() == 4029
        assert await serves(server, agent)


async def test_thousands_of_subscriptions_are_bounded_and_given_back(
    server: Server, resources: Resources, agent: people.Person, publisher: Publisher
) -> None:
    limit = server.manager._options.max_subscriptions
    ticket = await tickets.ticket(resources, agent.who)
    async with server.connect(agent.token) as client:
        session = next(iter(server.manager._connections))
        for number in range(limit):
            session.subscriptions[f"job:{number}"] = _Left()
        refused = await client.ask("subscribe_ticket", ticket_id=ticket.id)
        assert refused["data"]["code"] == "too_many_subscriptions"
        refused = await client.ask("subscribe_presence", ticket_id=ticket.id)
        assert refused["data"]["code"] == "too_many_subscriptions"
        watched = [one for one in session.subscriptions.values() if isinstance(one, _Left)]
    await server.idle()
    assert all(one.left for one in watched)


class _Left:
    left = False

    def leave(self) -> None:
        self.left = True


async def test_one_person_has_a_number_of_connections_and_others_are_not_kept_out(
    server_with: ServerFactory, customer: people.Person, agent: people.Person
) -> None:
    async with server_with({"max_per_person": 2}) as server:
        async with server.connect(customer.token) as one, server.connect(customer.token) as two:
            for client in (one, two):
                assert await _answers(client)
            async with server.connect(customer.token) as three:
                assert await three.closed() == 4030
            async with server.connect(None) as four:
                await four.send("authenticate", token=customer.token)
                assert await four.closed() == 4030
            async with server.connect(agent.token) as other:
                assert await _answers(other)
        await server.idle()
        async with server.connect(customer.token) as again:
            assert await _answers(again)
        assert not server.manager._people


async def test_a_process_serves_a_number_of_connections(server_with: ServerFactory, customer: people.Person) -> None:
    async with server_with({"max_connections": 1}) as server:
        async with server.connect(customer.token) as client:
            assert await _answers(client)
            async with server.connect(customer.token) as refused:
                assert await refused.closed() == 1013
            assert await _answers(client)
        await server.idle()
        async with server.connect(customer.token) as client:
            assert await _answers(client)


async def _answers(client: Client) -> bool:
    return "data" in await client.ask("get_ticket_status", ticket_id=1)


async def test_a_handshake_that_is_none_is_refused(server: Server, customer: people.Person) -> None:
    for lines, status in (
        ("Sec-WebSocket-Version: 12\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b"400"),
        ("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n", b"400"),
        ("Sec-WebSocket-Version: 13\r\n", b"400"),
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(
            f"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{lines}\r\n".encode()
        )
        async with asyncio.timeout(15):
            assert (await reader.readline()).split()[1] == status
        writer.close()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        b"GET /elsewhere HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    async with asyncio.timeout(15):
        assert (await reader.readline()).split()[1] == b"403"
    writer.close()
    assert await serves(server, customer)


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536])
def test_a_frame_of_any_length_says_what_was_put_in(length: int) -> None:
    text = "é" * (length // 2) + "x" * (length % 2)
    made = text_frame(text)
    assert text_of_frame(made) == text
    incoming = Incoming(100_000)
    whole = frame(text.encode())
    incoming.feed(whole[:1])
    assert incoming.take() is None
    incoming.feed(whole[1:] + whole)
    assert [incoming.take(), incoming.take(), incoming.take()] == [(1, text.encode()), (1, text.encode()), None]


def test_what_is_kept_of_an_unfinished_message_is_bounded() -> None:
    incoming = Incoming(1000)
    incoming.feed(frame(b"", claims=999)[:8])
    assert incoming.take() is None
    incoming = Incoming(1000)
    incoming.feed(frame(b"x" * 600, 0x01) + frame(b"", 0x00, claims=401)[:4])
    with pytest.raises(Violation):
        incoming.take()
