"""Logging in and staying logged in.

A login starts a family. Each refresh token is good for one use, which gives the next; a token seen a second time was
stolen on one of the two sides, so its whole family ends, for both.
"""

import hashlib
import secrets
import uuid
from datetime import timedelta

from pydantic import SecretStr
from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts import repository
from app.accounts.errors import LoginFailed, RefreshRefused, TooManyLogins
from app.accounts.events import AccessChanged
from app.accounts.passwords import passwords
from app.accounts.schemas import TokensOut
from app.core.clock import now
from app.core.ratelimit import RateLimiter
from app.core.resources import Resources
from app.core.settings import AuthSettings
from app.core.telemetry import get_logger
from app.models.base import uuid7
from app.models.user import LoginFamily, RefreshToken, User
from app.outbox import writer as outbox

log = get_logger(__name__)

_NAMES_PER_ADDRESS = 10
"""One address may fail for so many names' worth of attempts: offices share an address."""


class LoginThrottle:
    """Counts attempts before the password is looked at, and takes those back that succeeded."""

    def __init__(self, limiter: RateLimiter, settings: AuthSettings, *, name: str, address: str) -> None:
        pair = hashlib.sha256(f"{name}\n{address}".encode()).hexdigest()
        self._limiter = limiter
        self._window = settings.login_window_seconds
        self._limits = {
            f"login:{pair}": settings.login_attempts,
            f"login-address:{address}": settings.login_attempts * _NAMES_PER_ADDRESS,
        }

    async def take(self) -> None:
        """Raises TooManyLogins."""
        for subject, limit in self._limits.items():
            allowance = await self._limiter.take(subject, limit=limit, window_seconds=self._window)
            if allowance.exhausted:
                log.warning("login_throttled", subject=subject)
                raise TooManyLogins(headers={"Retry-After": str(max(allowance.reset_seconds, 1))})

    async def succeeded(self) -> None:
        for subject in self._limits:
            await self._limiter.give_back(subject, window_seconds=self._window)


def hashed(token: SecretStr) -> bytes:
    return hashlib.sha256(token.get_secret_value().encode()).digest()


async def login(db: AsyncSession, resources: Resources, *, name: str, password: SecretStr, address: str) -> TokensOut:
    """Raises LoginFailed and TooManyLogins. `db` is not touched while the password is hashed."""
    settings = resources.settings.auth
    name = name.lower()
    throttle = LoginThrottle(resources.limiter, settings, name=name, address=address)
    await throttle.take()
    async with resources.db.session() as reading:
        user = await repository.user_by_login(reading, name)
    hasher = passwords(settings)
    known = await hasher.matches(user.password_hash if user else None, password.get_secret_value())
    if not known or user is None or not user.active:
        raise LoginFailed
    await throttle.succeeded()
    if hasher.outdated(user.password_hash):
        renewed = await hasher.hash(password.get_secret_value())
        await db.execute(
            update(User)
            .where(User.id == user.id, User.password_hash == user.password_hash)
            .values(password_hash=renewed)
        )
    family = LoginFamily(id=uuid7(), user_id=user.id, expires_at=now() + timedelta(days=settings.refresh_days))
    db.add(family)
    await db.flush()
    return await _tokens(db, resources, family)


async def refresh(db: AsyncSession, resources: Resources, *, token: SecretStr) -> TokensOut:
    """The next pair of tokens. Raises RefreshRefused; a reused token has ended its family by then."""
    at = now()
    family_id = await repository.use_refresh_token(db, hashed(token), at)
    if family_id is None:
        # In its own unit of work: the refusal below rolls `db` back, and the revocation must stay.
        await _revoke_reused(resources, token)
        raise RefreshRefused
    living = await repository.living_family(db, family_id, at)
    if living is None:
        raise RefreshRefused
    family, _user = living
    family.expires_at = at + timedelta(days=resources.settings.auth.refresh_days)
    return await _tokens(db, resources, family)


async def logout(db: AsyncSession, *, token: SecretStr | None, family_id: uuid.UUID | None) -> None:
    """End the login of the refresh token, of the access token, or of both; ending what has ended is no error."""
    families = {family_id} if family_id else set()
    if token is not None and (owner := await repository.family_of_token(db, hashed(token))):
        families.add(owner)
    await _end(db, families)


async def forget_ended_logins(db: AsyncSession) -> None:
    """Remove logins that expired; their used tokens go with them."""
    await db.execute(delete(LoginFamily).where(LoginFamily.expires_at < now()))


async def _revoke_reused(resources: Resources, token: SecretStr) -> None:
    async with resources.db.unit_of_work() as db:
        family_id = await repository.family_of_token(db, hashed(token))
        if family_id is not None and await _end(db, {family_id}):
            log.warning("refresh_token_reused", family=str(family_id))


async def _end(db: AsyncSession, family_ids: set[uuid.UUID]) -> bool:
    """Whether any of them was still alive."""
    at = now()
    ended = await repository.revoke_families(db, at=at, ids=family_ids)
    for user_id in ended:
        outbox.add(db, AccessChanged(user_id=user_id, timestamp=at))
    return bool(ended)


async def _tokens(db: AsyncSession, resources: Resources, family: LoginFamily) -> TokensOut:
    token = SecretStr(secrets.token_urlsafe(32))
    db.add(RefreshToken(family_id=family.id, token_hash=hashed(token)))
    lifetime = timedelta(minutes=resources.settings.auth.access_minutes)
    access = resources.signer.mint(family.user_id, audience="api", lifetime=lifetime, family=str(family.id))
    return TokensOut(
        access_token=access,
        expires_in=int(lifetime.total_seconds()),
        refresh_token=token.get_secret_value(),
    )
