"""The parts of a mail, with `email`'s own parser on a short leash.

Its default policy parses every header by grammar, in time that grows with the square of the length, and raises what
hostile headers make it raise. Here headers stay raw and are cut, and only so many parts may have parts of their own, so
that time and depth are bounded whatever comes.
"""

from collections.abc import Iterator
from email.message import Message
from email.parser import BytesParser
from email.policy import Compat32
from typing import Any, Final

from app.mail.parsing.texts import decoded, storable

HEADER_CHARS: Final = 16_384
HEADERS_MOST: Final = 500
"""Of one part. Those that are left out are in the stored mail."""
_NEEDED: Final = frozenset(
    ["auto-submitted", "cc", "content-transfer-encoding", "content-type", "date", "from", "in-reply-to", "message-id",
     "references", "subject", "to"]
)  # fmt: skip
"""Read even behind as many others."""
INNER_MOST: Final = 60
"""Parts that hold parts. Later ones are taken for text."""
LEAVES_MOST: Final = 300
DELIVERY_STATUS: Final = "text/x-delivery-status"
"""For `message/delivery-status`, of which the parser would make an object for every empty line."""


class Unreadable(Exception):
    """`reason` is a sentence for administrators."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class _Part(Message):
    """Drops headers beyond the limit."""

    def set_raw(self, name: str, value: Any) -> None:
        most = 2 * HEADERS_MOST if name.lower() in _NEEDED else HEADERS_MOST
        if len(self._headers) < most:  # type: ignore[attr-defined] # untyped, and stable since Python 3.3
            super().set_raw(name, value)


class _Leash(Compat32):
    inner: list[int] = []  # noqa: RUF012 - a policy takes only what its class has; every parser gets one of its own

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, _, first = sourcelines[0].partition(":")
        value, length = [first.lstrip(" \t")], 0
        for line in sourcelines[1:]:
            length += len(line)
            if length > HEADER_CHARS:
                break
            value.append(line)
        text = "".join(value)[:HEADER_CHARS].rstrip("\r\n")
        return name[:HEADER_CHARS], self._leashed(text) if name.lower() == "content-type" else text

    def _leashed(self, value: str) -> str:
        kind = value.strip().lower()
        if kind.startswith("message/delivery-status"):
            return DELIVERY_STATUS
        if kind.startswith(("multipart/", "message/")):
            self.inner[0] += 1
            if self.inner[0] > INNER_MOST:
                return "text/plain"
        return value


def parts_of(raw: bytes) -> Message:
    """Raises Unreadable."""
    leash = _Leash(inner=[0])  # type: ignore[call-arg] # a policy takes whatever its class has
    try:
        return BytesParser(_Part, policy=leash).parsebytes(raw)
    except Exception as error:  # the parser is not ours, and what it raises for hostile bytes is not documented
        raise Unreadable(f"The mail has no structure that can be read ({type(error).__name__}).") from error


def headers_of(part: Message) -> dict[str, list[str]]:
    """By name in lower case, as text in one line each, in the order of the mail."""
    found: dict[str, list[str]] = {}
    for name, value in part.raw_items():
        text = decoded(str(value).encode("utf-8", "surrogateescape"), "utf-8")
        found.setdefault(storable(name).lower(), []).append(" ".join(text.split()))
    return found


def leaves(part: Message, inside: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Message]]:
    """Everything that has no parts, each with the types of what it is in, outermost first. A mail in a mail is a leaf.

    Recursion is bounded by INNER_MOST.
    """
    if part.is_multipart() and part.get_content_maintype() == "multipart":
        for number, child in enumerate(part.get_payload()):
            if isinstance(child, Message):
                yield from leaves(child, (*inside, f"{part.get_content_subtype()}#{number}"))
    else:
        yield inside, part


def content_of(part: Message) -> bytes:
    """The bytes, whatever is wrong with their encoding."""
    try:
        if part.is_multipart():
            inner = part.get_payload(0)
            return inner.as_bytes() if isinstance(inner, Message) else b""
        content = part.get_payload(decode=True)
        return content if isinstance(content, bytes) else b""
    except Exception:  # noqa: BLE001 - as above; the stored mail has it all
        payload = part.get_payload()
        return payload.encode("utf-8", "surrogateescape") if isinstance(payload, str) else b""
