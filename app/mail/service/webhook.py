"""Deliveries over HTTP: who holds the secret may hand mail in, and a delivery that was overheard is soon too old."""

import hashlib
import hmac
import time
from collections.abc import AsyncIterator

from app.core.errors import Unavailable
from app.core.resources import Resources
from app.core.settings import MailSettings
from app.core.storage import StorageError
from app.mail.errors import MailOff, MailTooLarge, SignatureWrong
from app.mail.schemas import MailTakenOut
from app.mail.service.intake import Incoming, receive

SOURCE = "webhook"


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """In hexadecimal, over the timestamp, a dot and the body."""
    return hmac.digest(secret.encode(), timestamp.encode("utf-8", "replace") + b"." + body, hashlib.sha256).hex()


async def deliver(
    resources: Resources,
    chunks: AsyncIterator[bytes],
    *,
    timestamp: str,
    given: str,
    sender: str | None,
    to: str | None,
) -> MailTakenOut:
    """Answers once the mail is durable. Raises MailOff, MailTooLarge, SignatureWrong, Unavailable."""
    settings = resources.settings.mail
    if settings.address is None or settings.webhook_secret is None:
        raise MailOff
    # A wrong time is refused before the body is read, a wrong signature before anything is looked at.
    _check_time(settings, timestamp)
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > settings.max_bytes:
            raise MailTooLarge(f"A mail may have at most {settings.max_bytes:,} bytes.")
    wanted = signature(settings.webhook_secret.get_secret_value(), timestamp, bytes(body))
    if not hmac.compare_digest(given.removeprefix("sha256=").lower().encode("utf-8", "replace"), wanted.encode()):
        raise SignatureWrong
    recipients = tuple(one.strip() for one in (to or "").split(",") if one.strip())
    try:
        taken = await receive(resources, Incoming(SOURCE, bytes(body), sender=sender, recipients=recipients))
    except StorageError as error:
        raise Unavailable("The mail could not be stored; deliver it again.") from error
    return MailTakenOut(mail_id=taken.mail_id, new=taken.new)


def _check_time(settings: MailSettings, timestamp: str) -> None:
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12):
        raise SignatureWrong
    if abs(time.time() - int(timestamp)) > settings.webhook_seconds:
        raise SignatureWrong
