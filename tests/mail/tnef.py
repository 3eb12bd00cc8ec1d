"""TNEF as Outlook writes it, to be taken apart."""

import struct

OBJECT, TEXT, BINARY = 0x0D, 0x1F, 0x102


def attribute(level: int, name: int, value: bytes) -> bytes:
    return struct.pack("<BHHI", level, name, 6, len(value)) + value + struct.pack("<H", sum(value) & 0xFFFF)


def properties(*given: tuple[int, int, bytes]) -> bytes:
    """Each of a type, an id and a value; numbers are taken for those of four bytes."""
    written = struct.pack("<I", len(given))
    for kind, name, value in given:
        written += struct.pack("<HH", kind, name)
        if name >= 0x8000:
            called = "Keywords\0".encode("utf-16-le")
            written += b"g" * 16 + struct.pack("<II", 1, len(called)) + called + b"\0" * (-len(called) % 4)
        if kind in (OBJECT, TEXT, BINARY):
            written += struct.pack("<II", 1, len(value)) + value + b"\0" * (-len(value) % 4)
        else:
            written += value
    return written


def wide(text: str) -> bytes:
    return f"{text}\0".encode("utf-16-le")


def file(name: str, content: bytes, *more: tuple[int, int, bytes]) -> bytes:
    return (
        attribute(2, 0x9002, b"\0" * 14)
        + attribute(2, 0x8010, b"SHORT~1.TXT\0")
        + (attribute(2, 0x800F, content) if content else b"")
        + attribute(2, 0x9005, properties((TEXT, 0x3707, wide(name)), (3, 0x3705, struct.pack("<I", 1)), *more))
    )


def pack(*parts: bytes) -> bytes:
    return b"\x78\x9f\x3e\x22\x01\x00" + attribute(1, 0x9007, struct.pack("<II", 1252, 0)) + b"".join(parts)
