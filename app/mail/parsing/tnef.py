"""Outlook's `winmail.dat` (TNEF, as MS-OXTNEF has it): the files and the text in it.

One pass over bytes that are copied only into what is handed out, and nothing is noted that is not wanted, so that time
and memory stay within the size of the mail, whatever lengths and counts it claims. What is odd ends the reading, and is
told: the attachment itself stays.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from app.mail.parsing.attachment import Attachment
from app.mail.parsing.texts import decoded, storable, text_of_html

TYPES: Final = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})
SIGNATURE: Final = b"\x78\x9f\x3e\x22"
INNER_MOST: Final = 3
"""Mails in mails; what lies deeper stays where it is."""
FILES_MOST: Final = 200

_BODY, _CODE_PAGE, _MESSAGE = 0x800C, 0x9007, 0x9003
_ATTACHMENT_BEGINS, _TITLE, _DATA, _ATTACHMENT = 0x9002, 0x8010, 0x800F, 0x9005
_P_BODY, _P_RTF, _P_HTML = 0x1000, 0x1009, 0x1013
_P_DATA, _P_NAME, _P_LONG_NAME, _P_TYPE, _P_SHOWN = 0x3701, 0x3704, 0x3707, 0x370E, 0x3001
_WANTED: Final = {_P_BODY, _P_RTF, _P_HTML, _P_DATA, _P_NAME, _P_LONG_NAME, _P_TYPE, _P_SHOWN}
_OBJECT, _TEXT8, _TEXT, _BINARY, _MANY, _NAMED = 0x0D, 0x1E, 0x1F, 0x102, 0x1000, 0x8000
_SIZES: Final = {
    0x02: 4, 0x03: 4, 0x04: 4, 0x05: 8, 0x06: 8, 0x07: 8, 0x0A: 4, 0x0B: 4, 0x14: 8, 0x40: 8, 0x48: 16,
}  # fmt: skip
"""Of properties of a fixed size, with what fills them up to four bytes."""


@dataclass(slots=True)
class Opened:
    """`whole`: all that hangs on it is among the files. `unread`: it has words as formatted text alone."""

    files: list[Attachment] = field(default_factory=list)
    text: str = ""
    whole: bool = True
    unread: bool = False


class _Odd(Exception):
    """What stands here is not what should."""


def opened(content: bytes) -> Opened:
    """Never fails; for what is no TNEF at all there is nothing, and not the whole."""
    found = Opened()
    _read(memoryview(content), found, depth=0)
    return found


class _Bytes:
    def __init__(self, view: memoryview) -> None:
        self.view, self.at = view, 0

    @property
    def left(self) -> int:
        return len(self.view) - self.at

    def take(self, size: int) -> memoryview:
        if not 0 <= size <= self.left:
            raise _Odd
        self.at += size
        return self.view[self.at - size : self.at]

    def number(self, form: str = "<I") -> int:
        value: int = struct.unpack(form, self.take(struct.calcsize(form)))[0]
        return value

    def padded(self, size: int) -> memoryview:
        taken = self.take(size)
        # The last one of some programs' lists is not filled up.
        self.take(min(-size % 4, self.left))
        return taken


@dataclass(slots=True)
class _File:
    title: str = ""
    data: memoryview | None = None
    properties: dict[int, tuple[int, memoryview]] = field(default_factory=dict)


@dataclass(slots=True)
class _Inside:
    """Of one message."""

    code_page: str = "cp1252"
    body: str = ""
    properties: dict[int, tuple[int, memoryview]] = field(default_factory=dict)
    files: list[_File] = field(default_factory=list)

    def text(self, kind: int, value: memoryview) -> str:
        raw = bytes(value)
        text = raw.decode("utf-16-le", "replace") if kind == _TEXT else decoded(raw, self.code_page)
        return storable(text.partition("\0")[0])

    def property(self, properties: dict[int, tuple[int, memoryview]], *ids: int) -> str:
        for one in ids:
            if one in properties and (text := self.text(*properties[one]).strip()):
                return text
        return ""


def _read(view: memoryview, found: Opened, *, depth: int) -> None:
    inside = _Inside()
    try:
        _attributes(_Bytes(view), inside, found)
    except (_Odd, struct.error):
        found.whole = False
    for file in inside.files:
        _file(file, inside, found, depth=depth)
    if depth > 0:
        # Its words are not shown.
        found.whole = False
        return
    text = inside.property(inside.properties, _P_BODY) or inside.body
    if not text and _P_HTML in inside.properties:
        text = text_of_html(decoded(bytes(inside.properties[_P_HTML][1]), inside.code_page))
    found.text = text
    found.unread = not text and _P_RTF in inside.properties


def _attributes(given: _Bytes, inside: _Inside, found: Opened) -> None:
    if bytes(given.take(4)) != SIGNATURE:
        raise _Odd
    given.take(2)
    while given.left:
        level, name, _kind = given.number("<B"), given.number("<H"), given.number("<H")
        value = given.take(given.number())
        if given.number("<H") != sum(value) & 0xFFFF:
            found.whole = False
        if level == 2:
            _of_file(name, value, inside, found)
        elif name == _CODE_PAGE and len(value) >= 4:
            inside.code_page = f"cp{struct.unpack_from('<I', value)[0]}"
        elif name == _BODY:
            inside.body = inside.text(_TEXT8, value)
        elif name == _MESSAGE:
            inside.properties |= _properties(value, found)


def _of_file(name: int, value: memoryview, inside: _Inside, found: Opened) -> None:
    if name == _ATTACHMENT_BEGINS or not inside.files:
        if len(inside.files) == FILES_MOST:
            raise _Odd
        inside.files.append(_File())
    file = inside.files[-1]
    if name == _TITLE:
        file.title = inside.text(_TEXT8, value)
    elif name == _DATA:
        file.data = value
    elif name == _ATTACHMENT:
        file.properties |= _properties(value, found)


def _properties(value: memoryview, found: Opened) -> dict[int, tuple[int, memoryview]]:
    """Of what was read until something is odd: the first value of each, with its type."""
    given = _Bytes(value)
    properties: dict[int, tuple[int, memoryview]] = {}
    try:
        count = given.number()
        for name, kind, content in _each(given, count):
            if name in _WANTED:
                properties.setdefault(name, (kind, content))
    except (_Odd, struct.error):
        found.whole = False
    return properties


def _each(given: _Bytes, count: int) -> Iterator[tuple[int, int, memoryview]]:
    for _ in range(count):
        kind, name = given.number("<H"), given.number("<H")
        if name >= _NAMED:
            given.take(16)
            if given.number():
                given.padded(given.number())
            else:
                given.take(4)
        single = kind & ~_MANY
        if single in (_OBJECT, _TEXT8, _TEXT, _BINARY):
            for _ in range(given.number()):
                content = given.padded(given.number())
                yield name, single, content
        elif single in _SIZES:
            values = given.number() if kind & _MANY else 1
            yield name, single, given.take(values * _SIZES[single])
        else:
            raise _Odd


def _file(file: _File, inside: _Inside, found: Opened, *, depth: int) -> None:
    if len(found.files) == FILES_MOST:
        found.whole = False
        return
    name = inside.property(file.properties, _P_LONG_NAME, _P_NAME) or file.title
    name = name or inside.property(file.properties, _P_SHOWN)
    kind, data = file.properties.get(_P_DATA, (_BINARY, None))
    if kind == _OBJECT and data is not None and bytes(data[16:20]) == SIGNATURE:
        if depth + 1 < INNER_MOST:
            _read(data[16:], found, depth=depth + 1)
        else:
            found.whole = False
        return
    if file.data or data is None or kind == _OBJECT:
        data = file.data
    if data is None:
        # A link to where the file was, or an object that only its program reads.
        found.whole = False
        return
    media_type = inside.property(file.properties, _P_TYPE).lower()
    plain = media_type.isascii() and media_type.isprintable() and " " not in media_type and media_type.count("/") == 1
    found.files.append(
        Attachment(name[:255] or None, media_type[:255] if plain else "application/octet-stream", bytes(data))
    )
