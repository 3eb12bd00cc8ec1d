"""Secrets at rest: sealed with a key that is not in the database."""

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

from app.core.auth import signing_secret
from app.core.settings import Settings
from app.integrations.errors import SecretUnreadable


class Vault:
    def __init__(self, settings: Settings) -> None:
        own = settings.integrations.key
        secret = signing_secret(settings) if own is None else own.get_secret_value()
        digest = hashlib.sha256(b"integration-secrets:" + secret.encode()).digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(digest))

    def seal(self, secret: Mapping[str, str]) -> bytes:
        return self._fernet.encrypt(json.dumps(dict(secret)).encode())

    def open(self, sealed: bytes) -> dict[str, Any]:
        """Raises SecretUnreadable."""
        try:
            found: dict[str, Any] = json.loads(self._fernet.decrypt(sealed))
        except InvalidToken as error:
            raise SecretUnreadable from error
        return found
