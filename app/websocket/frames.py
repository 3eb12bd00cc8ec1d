"""RFC 6455 frames: made once for however many read them, and taken apart within bounds.

A library's connection object keeps some twenty kilobytes a socket; this keeps what has come of an unfinished message.
"""

import struct

try:
    from websockets.speedups import apply_mask
except ImportError:  # no wheel for this machine
    from websockets.utils import apply_mask

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
_CONTINUATION = 0x0
_FIN, _RESERVED, _MASKED = 0x80, 0x70, 0x80
_CONTROL_BYTES = 125
_SENDABLE = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})

PROTOCOL_ERROR, BAD_TEXT, TOO_BIG, NO_CODE = 1002, 1007, 1009, 1005


class Violation(Exception):
    """The peer broke the protocol or a limit; `code` is what the connection is closed with."""

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(reason)


def text_frame(text: str) -> bytes:
    return _frame(TEXT, text.encode())


def text_of_frame(frame: bytes) -> str:
    """The reverse of `text_frame`."""
    start = {126: 4, 127: 10}.get(frame[1], 2)
    return frame[start:].decode()


def close_frame(code: int, reason: str) -> bytes:
    return _frame(
        CLOSE, struct.pack("!H", code) + reason.encode()[: _CONTROL_BYTES - 2].decode(errors="ignore").encode()
    )


def pong_frame(payload: bytes) -> bytes:
    return _frame(PONG, payload)


PING_FRAME = bytes((_FIN | PING, 0))


def close_code(payload: bytes) -> int:
    """Of a close frame from the peer. Raises Violation."""
    if not payload:
        return NO_CODE
    if len(payload) < 2:
        raise Violation(PROTOCOL_ERROR, "a close frame of one byte")
    code = int.from_bytes(payload[:2])
    if code not in _SENDABLE and not 3000 <= code < 5000:
        raise Violation(PROTOCOL_ERROR, "a close code that must not be sent")
    decoded(payload[2:])
    return code


def decoded(payload: bytes) -> str:
    """Raises Violation for what is not UTF-8."""
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise Violation(BAD_TEXT, "not UTF-8") from None


class Incoming:
    """What a client sends, cut into messages and control frames."""

    __slots__ = ("_buffer", "_kind", "_message", "max_bytes")

    def __init__(self, max_bytes: int) -> None:
        """Of a message, whole or in fragments."""
        self.max_bytes = max_bytes
        self._buffer: bytearray | None = None
        self._message: bytearray | None = None
        self._kind = TEXT

    def feed(self, data: bytes) -> None:
        if self._buffer is None:
            self._buffer = bytearray(data)
        else:
            self._buffer += data

    def take(self) -> tuple[int, bytes] | None:
        """The next whole message or control frame, as opcode and payload. Raises Violation."""
        while self._buffer is not None:
            frame = self._frame(self._buffer)
            if frame is None:
                return None
            final, opcode, payload = frame
            if opcode & 0x8:
                return opcode, payload
            if opcode != _CONTINUATION and final:
                return opcode, payload
            if opcode != _CONTINUATION:
                self._kind, self._message = opcode, bytearray(payload)
            elif self._message is not None:
                self._message += payload
                if final:
                    whole, self._message = bytes(self._message), None
                    return self._kind, whole
        return None

    def _frame(self, buffer: bytearray) -> tuple[bool, int, bytes] | None:
        if len(buffer) < 2:
            return None
        first, second = buffer[0], buffer[1]
        opcode = first & 0x0F
        length = second & 0x7F
        self._check(first, second, opcode)
        start = 2
        if length >= 126:
            start = 4 if length == 126 else 10
            if len(buffer) < start:
                return None
            length = int.from_bytes(buffer[2:start])
        if length + len(self._message or b"") > self.max_bytes and not opcode & 0x8:
            # By its announced length, before any of it is kept.
            raise Violation(TOO_BIG, "message too big")
        end = start + 4 + length
        if len(buffer) < end:
            return None
        payload = apply_mask(bytes(buffer[start + 4 : end]), bytes(buffer[start : start + 4]))
        if len(buffer) == end:
            self._buffer = None
        else:
            del buffer[:end]
        return bool(first & _FIN), opcode, payload

    def _check(self, first: int, second: int, opcode: int) -> None:
        if first & _RESERVED:
            raise Violation(PROTOCOL_ERROR, "an extension that was not agreed upon")
        if not second & _MASKED:
            raise Violation(PROTOCOL_ERROR, "a frame without a mask")
        if opcode in (CLOSE, PING, PONG):
            if not first & _FIN or second & 0x7F > _CONTROL_BYTES:
                raise Violation(PROTOCOL_ERROR, "a control frame in fragments or too long")
        elif opcode not in (_CONTINUATION, TEXT, BINARY) or (opcode == _CONTINUATION) is (self._message is None):
            raise Violation(PROTOCOL_ERROR, "an unexpected frame")


def _frame(opcode: int, payload: bytes) -> bytes:
    length = len(payload)
    if length < 126:
        return bytes((_FIN | opcode, length)) + payload
    if length < 65536:
        return struct.pack("!BBH", _FIN | opcode, 126, length) + payload
    return struct.pack("!BBQ", _FIN | opcode, 127, length) + payload
