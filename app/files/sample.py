"""The first and last bytes of a file, kept while it streams by: enough to tell its type without a second read."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO

HEAD_BYTES = 64 * 1024
TAIL_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """`head` and `tail` may overlap; together they are the whole file when it is no longer than both."""

    head: bytes
    tail: bytes
    size: int

    @classmethod
    def of_path(cls, path: Path) -> "Sample":
        """Sample a local file, reading at most 320 KB."""
        with path.open("rb") as stream:
            return cls.of_stream(stream)

    @classmethod
    def of_stream(cls, stream: IO[bytes]) -> "Sample":
        """Sample what can be sought in; the stream is left anywhere."""
        size = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        head = stream.read(HEAD_BYTES)
        stream.seek(max(0, size - TAIL_BYTES))
        return cls(head=head, tail=stream.read(TAIL_BYTES), size=size)

    @classmethod
    def of_bytes(cls, content: bytes) -> "Sample":
        return cls(head=content[:HEAD_BYTES], tail=content[-TAIL_BYTES:], size=len(content))

    def at(self, offset: int, length: int) -> bytes:
        """`length` bytes at `offset` where the sample holds them, else `b""`."""
        if offset >= 0 and offset + length <= len(self.head):
            return self.head[offset : offset + length]
        start = offset - (self.size - len(self.tail))
        if start >= 0 and start + length <= len(self.tail):
            return self.tail[start : start + length]
        return b""

    def joined(self) -> bytes:
        """Head and tail as one string, without the overlap; the middle of a large file is left out."""
        gap = self.size - len(self.tail)
        return self.head + self.tail[max(0, len(self.head) - gap) :]


class Sampler:
    """Builds a `Sample` from chunks; holds at most head + twice the tail in memory."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._tail = bytearray()
        self._size = 0

    def feed(self, chunk: bytes) -> None:
        self._size += len(chunk)
        missing = HEAD_BYTES - len(self._head)
        if missing > 0:
            self._head += chunk[:missing]
        self._tail += chunk
        if len(self._tail) > 2 * TAIL_BYTES:
            del self._tail[:-TAIL_BYTES]

    def sample(self) -> Sample:
        return Sample(head=bytes(self._head), tail=bytes(self._tail[-TAIL_BYTES:]), size=self._size)
