"""The headers of tus 1.0.0 (https://tus.io/protocols/resumable-upload), read and checked."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.core.schemas import BIGINT_MAX
from app.files.errors import ChecksumMismatch, UploadHeaderInvalid

if TYPE_CHECKING:
    from hashlib import _Hash

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,checksum,expiration,termination"
MAX_METADATA = 4096
"""Characters of Upload-Metadata."""

# sha1 and md5 are the protocol's; they tell damage on the way, not malice.
_ALGORITHMS: dict[str, Callable[[], "_Hash"]] = {
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha256": hashlib.sha256,
    "md5": lambda: hashlib.md5(usedforsecurity=False),
}
CHECKSUM_ALGORITHMS = ",".join(_ALGORITHMS)


@dataclass(frozen=True, slots=True)
class Announcement:
    """What the sender says of an upload before it begins. `metadata` is the header as it came."""

    length: int
    metadata: str
    filename: str | None
    filetype: str | None
    ticket_id: int | None

    def digest(self) -> bytes:
        return hashlib.sha256(f"{self.length}\n{self.metadata}".encode()).digest()


@dataclass(slots=True)
class Checksum:
    expected: bytes
    running: "_Hash" = field(repr=False)

    def update(self, chunk: bytes) -> None:
        self.running.update(chunk)

    def check(self) -> None:
        """Raises ChecksumMismatch."""
        if not hmac.compare_digest(self.running.digest(), self.expected):
            raise ChecksumMismatch


def announcement(length: str | None, metadata: str | None) -> Announcement:
    """Raises UploadHeaderInvalid."""
    if length is None:
        raise UploadHeaderInvalid("Upload-Length is missing; a deferred length is not supported.")
    raw = metadata or ""
    pairs = _pairs(raw)
    return Announcement(
        length=number("Upload-Length", length),
        metadata=raw,
        filename=pairs.get("filename") or pairs.get("name"),
        filetype=pairs.get("filetype") or pairs.get("type"),
        ticket_id=_ticket_id(pairs.get("ticket_id", "").strip()),
    )


def number(header: str, value: str) -> int:
    """Raises UploadHeaderInvalid for what is no count of bytes."""
    if not (value.isascii() and value.isdecimal() and len(value) <= 19 and int(value) <= BIGINT_MAX):
        raise UploadHeaderInvalid(f"{header} is not a number of bytes.")
    return int(value)


def checksum(value: str) -> Checksum:
    """Raises UploadHeaderInvalid for an algorithm that is not ours, or a digest that is none of it."""
    name, _, digest = value.strip().partition(" ")
    make = _ALGORITHMS.get(name)
    if make is None:
        raise UploadHeaderInvalid(f"Upload-Checksum may be of: {CHECKSUM_ALGORITHMS}.")
    running, expected = make(), _decoded(digest.strip())
    if expected is None or len(expected) != running.digest_size:
        raise UploadHeaderInvalid(f"Upload-Checksum is not a base64 digest of {name}.")
    return Checksum(expected, running)


def _pairs(metadata: str) -> dict[str, str]:
    if len(metadata) > MAX_METADATA:
        raise UploadHeaderInvalid(f"Upload-Metadata may have at most {MAX_METADATA} characters.")
    pairs: dict[str, str] = {}
    for pair in metadata.split(",") if metadata.strip() else ():
        key, _, value = pair.strip().partition(" ")
        plain = _decoded(value.strip())
        if not key or plain is None or key in pairs:
            raise UploadHeaderInvalid("Upload-Metadata is pairs of a key and a base64 value, each key once.")
        pairs[key] = plain.decode(errors="replace").replace("\0", "")
    return pairs


def _decoded(value: str) -> bytes | None:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None


def _ticket_id(value: str) -> int | None:
    if not value:
        return None
    if not (value.isascii() and value.isdecimal() and 1 <= len(value) <= 100):
        raise UploadHeaderInvalid("The ticket_id of Upload-Metadata is not a number.")
    return int(value)
