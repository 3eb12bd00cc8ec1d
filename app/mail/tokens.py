"""Which conversation a reply belongs to, in its address or its References: signed, so that nobody can name one.

A token says where a mail came from and opens nothing: whoever shows one must be allowed to write there, too.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from uuid import UUID

from app.core.auth import signing_secret
from app.core.settings import Settings

_MAC_BYTES = 10
_TOKEN = re.compile(r"[a-z2-7]{26}\.[a-z2-7]{16}")


class Tokens:
    def __init__(self, settings: Settings) -> None:
        self._key = hashlib.sha256(b"mail-tokens:" + signing_secret(settings).encode()).digest()
        self._mail = settings.mail

    def of(self, session_id: UUID) -> str:
        """43 characters that survive servers which do not keep capitals."""
        return f"{_text(session_id.bytes)}.{_text(self._mac(session_id))}"

    def reply_address(self, session_id: UUID) -> str:
        local, _, domain = (self._mail.address or "").rpartition("@")
        return f"{local}+{self.of(session_id)}@{domain}" if self._mail.plus_addressing else f"{local}@{domain}"

    def message_id(self, session_id: UUID, said_id: UUID) -> str:
        """Always the same for a message, so that one sent twice is one."""
        return f"{self.of(session_id)}.{_text(said_id.bytes)}@{self._mail.domain}"

    def in_addresses(self, addresses: Iterable[str]) -> UUID | None:
        for address in addresses:
            local, _, domain = address.rpartition("@")
            plain, plus, token = local.partition("+")
            if plus and f"{plain}@{domain}" in self._mail.own_addresses and (found := self._read(token)):
                return found
        return None

    def in_ids(self, message_ids: Iterable[str]) -> UUID | None:
        """The last one counts: it is what was answered."""
        for message_id in reversed([*message_ids]):
            if found := self._read(message_id.lower()[:43]):
                return found
        return None

    def _read(self, token: str) -> UUID | None:
        if not _TOKEN.fullmatch(token):
            return None
        name, _, mac = token.partition(".")
        session_id = UUID(bytes=base64.b32decode(name.upper() + "======"))
        return session_id if hmac.compare_digest(mac, _text(self._mac(session_id))) else None

    def _mac(self, session_id: UUID) -> bytes:
        return hmac.digest(self._key, session_id.bytes, "sha256")[:_MAC_BYTES]


def _text(value: bytes) -> str:
    return base64.b32encode(value).decode().rstrip("=").lower()
