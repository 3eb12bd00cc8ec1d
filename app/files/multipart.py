"""multipart/form-data as it arrives: part after part, chunk after chunk, nothing kept.

python-multipart parses; this turns its callbacks inside out, so that whoever stores a file sets the pace.
"""

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.files.errors import MultipartMalformed

MAX_PARTS = 16
MAX_HEADERS = 16
MAX_HEADER_BYTES = 64 * 1024
MAX_PENDING_BYTES = 256 * 1024
"""Bytes fed to the parser at a time; what it found in them waits until it is asked for."""


@dataclass(frozen=True, slots=True)
class Part:
    """`filename` is as it was sent, None for a plain field."""

    name: str
    filename: str | None
    content_type: str | None


class _End:
    """The end of a part."""


class MultipartReader:
    """`while (part := await reader.next_part()): async for chunk in reader.data(): …`"""

    def __init__(self, content_type: str | None, chunks: AsyncIterator[bytes]) -> None:
        """Raises MultipartMalformed when the content type is not multipart/form-data with a boundary."""
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not boundary:
            raise MultipartMalformed
        self._chunks = chunks
        self._found: deque[Part | bytes | _End] = deque()
        self._headers: dict[str, str] = {}
        self._name = b""
        self._value = b""
        self._parts = 0
        self._complete = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._on_part_begin,
                    "on_header_field": self._on_header_field,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_part_data": self._on_part_data,
                    "on_part_end": lambda: self._found.append(_End()),
                    "on_end": self._on_end,
                },
                max_header_count=MAX_HEADERS,
                max_header_size=MAX_HEADER_BYTES,
            )
        except FormParserError as error:
            raise MultipartMalformed from error

    async def next_part(self) -> Part | None:
        """The next part; what was not read of the one before is passed over. None at the end."""
        while (found := await self._next()) is not None:
            if isinstance(found, Part):
                return found
        return None

    async def data(self) -> AsyncIterator[bytes]:
        """The rest of the present part."""
        while (found := await self._next()) is not None:
            if isinstance(found, bytes):
                yield found
            else:
                return

    async def _next(self) -> Part | bytes | _End | None:
        while not self._found:
            chunk = await anext(self._chunks, None)
            if chunk is None:
                if not self._complete:
                    raise MultipartMalformed("The body ends before its last boundary.")
                return None
            for start in range(0, len(chunk), MAX_PENDING_BYTES):
                self._parse(chunk[start : start + MAX_PENDING_BYTES])
        return self._found.popleft()

    def _parse(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise MultipartMalformed from error

    def _on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise MultipartMalformed(f"The form has more than {MAX_PARTS} fields.")
        self._headers = {}

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[_text(self._name).lower()] = _text(self._value)
        self._name = self._value = b""

    def _on_headers_finished(self) -> None:
        # parse_options_header keeps latin-1, so text goes through it byte for byte.
        disposition = self._headers.get("content-disposition", "").encode().decode("latin-1")
        kind, options = parse_options_header(disposition)
        if kind != b"form-data" or b"name" not in options:
            raise MultipartMalformed("A part has no 'Content-Disposition: form-data' with a name.")
        filename = options.get(b"filename")
        self._found.append(
            Part(
                name=_text(options[b"name"]),
                filename=None if filename is None else _filename(filename),
                content_type=self._headers.get("content-type"),
            )
        )

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._found.append(data[start:end])

    def _on_end(self) -> None:
        self._complete = True


def _filename(content: bytes) -> str:
    """With the three characters that browsers escape in it (WHATWG HTML, multipart/form-data encoding)."""
    return _text(content).replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")


def _text(content: bytes) -> str:
    """Browsers send UTF-8; what is not, is taken as latin-1, which reads any byte."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")
