"""Proving an address: a code that only who reads its mail can have, handed back by who is logged in to the account.

Both are asked for. By the code alone somebody could register a stranger's address and have the stranger, or a program
that opens every link, confirm it for them. Codes are signed and stored nowhere: they follow from their row, so that a
worker who mails one again mails the same.
"""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts import repository
from app.accounts.errors import ConfirmationOff, ConfirmationRefused, TooManyConfirmations
from app.accounts.repository import UserRepository
from app.accounts.schemas import ConfirmationOut
from app.core.auth import Principal, signing_secret
from app.core.clock import now
from app.core.resources import Resources
from app.core.settings import Settings
from app.core.telemetry import get_logger
from app.jobs import service as jobs
from app.models.base import uuid7
from app.models.user import EmailConfirmation, User

log = get_logger(__name__)

CONFIRM = "accounts.confirm_email"
"""The job that mails a code; its subject is the confirmation's id."""
_PER_ADDRESS = 10
"""From one network address so many times what one person may: offices share an address, and a flood comes from one."""
_TRIES = 10
_HOUR = 3600
_TOKEN = re.compile(r"[a-z2-7]{52}")


@dataclass(frozen=True, slots=True)
class Due:
    """What a mail to an address says."""

    id: UUID
    username: str
    email: str
    token: str
    expires_at: datetime
    created_at: datetime


async def ask(db: AsyncSession, resources: Resources, who: Principal, *, address: str) -> ConfirmationOut:
    """Mail a code to one's own address. Raises ConfirmationOff and TooManyConfirmations; `address` is the network's."""
    if resources.settings.mail.address is None:
        raise ConfirmationOff
    user = await UserRepository(db, who).get(who.user_id)
    if user.email_confirmed_at is not None:
        return ConfirmationOut(email=user.email, email_confirmed_at=user.email_confirmed_at, expires_at=None)
    most = resources.settings.auth.confirmations_hourly
    await _take(resources, f"confirm:{user.id}", most)
    await _take(resources, f"confirm-address:{address}", most * _PER_ADDRESS)
    expires_at = now() + timedelta(hours=resources.settings.auth.confirmation_hours)
    row = EmailConfirmation(id=uuid7(), user_id=user.id, email=user.email, expires_at=expires_at)
    db.add(row)
    jobs.create(db, kind=CONFIRM, subject=str(row.id))
    await db.flush()
    return ConfirmationOut(email=user.email, email_confirmed_at=None, expires_at=expires_at)


async def confirm(db: AsyncSession, resources: Resources, who: Principal, *, token: SecretStr) -> User:
    """Use a code, once. Raises ConfirmationRefused and TooManyConfirmations."""
    settings = resources.settings
    await _take(resources, f"confirm-try:{who.user_id}", settings.auth.confirmations_hourly * _TRIES)
    confirmation_id = _read(settings, token.get_secret_value())
    at = now()
    found = None if confirmation_id is None else await repository.confirmation(db, confirmation_id, at, lock=True)
    if found is None or found[1].id != who.user_id:
        raise ConfirmationRefused
    row, user = found
    row.used_at = at
    if user.email_confirmed_at is None:
        user.email_confirmed_at = at
        user.version += 1
        log.info("email_confirmed", user=user.id)
    return user


async def due(db: AsyncSession, settings: Settings, confirmation_id: UUID) -> Due | None:
    """None: it is too late, or not needed any more."""
    found = await repository.confirmation(db, confirmation_id, now())
    if found is None or found[1].email_confirmed_at is not None:
        return None
    row, user = found
    return Due(row.id, user.username, row.email, token_of(settings, row.id), row.expires_at, row.created_at)


async def forget_old(db: AsyncSession) -> None:
    """Remove those that are too old to be used."""
    await db.execute(delete(EmailConfirmation).where(EmailConfirmation.expires_at < now()))


def token_of(settings: Settings, confirmation_id: UUID) -> str:
    """52 letters and digits: which it is, and 128 bits that say that it is ours."""
    key = hashlib.sha256(b"email-confirmation:" + signing_secret(settings).encode()).digest()
    return _text(confirmation_id.bytes) + _text(hmac.digest(key, confirmation_id.bytes, "sha256")[:16])


def _read(settings: Settings, token: str) -> UUID | None:
    token = token.strip().lower()
    if not _TOKEN.fullmatch(token):
        return None
    confirmation_id = UUID(bytes=base64.b32decode(token[:26].upper() + "======"))
    return confirmation_id if hmac.compare_digest(token, token_of(settings, confirmation_id)) else None


def _text(value: bytes) -> str:
    return base64.b32encode(value).decode().rstrip("=").lower()


async def _take(resources: Resources, subject: str, limit: int) -> None:
    allowance = await resources.limiter.take(subject, limit=limit, window_seconds=_HOUR)
    if allowance.exhausted:
        log.warning("confirmation_throttled", subject=subject)
        raise TooManyConfirmations(headers={"Retry-After": str(max(allowance.reset_seconds, 1))})
