"""API keys: `evd_<prefix>_<secret>`, shown once, kept as SHA-256 (256 random bits need no slow hash)."""

import hashlib
import secrets
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts import repository
from app.accounts.errors import TooManyApiKeys
from app.accounts.repository import ApiKeyRepository
from app.accounts.scopes import Scope
from app.core.auth import Principal
from app.core.clock import now
from app.core.errors import FieldError, Invalid
from app.core.pagination import Page
from app.models.user import ApiKey

KEY_START = "evd_"
MAX_KEYS = 50


def key_hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


async def make(
    db: AsyncSession, who: Principal, *, name: str, scopes: set[Scope], expires_at: datetime | None
) -> tuple[ApiKey, str]:
    """The row and the key itself, which cannot be had again. Raises TooManyApiKeys, and Invalid for a past expiry."""
    if expires_at is not None and expires_at <= now():
        wrong = FieldError(location=["body", "expires_at"], message="must lie in the future", kind="value_error")
        raise Invalid("The expiry of a new key must lie in the future.", errors=[wrong])
    if await repository.count_keys(db, who.user_id) >= MAX_KEYS:
        raise TooManyApiKeys
    prefix = f"{KEY_START}{secrets.token_hex(4)}"
    key = f"{prefix}_{secrets.token_hex(32)}"
    row = ApiKey(
        user_id=who.user_id,
        name=name,
        prefix=prefix,
        key_hash=key_hash(key),
        scopes=sorted(scopes),
        expires_at=expires_at,
        last_used_at=None,
    )
    db.add(row)
    await db.flush()
    await db.refresh(row, ["created_at"])
    return row, key


async def page(db: AsyncSession, who: Principal, *, cursor: str | None, limit: int) -> Page[ApiKey]:
    keys = ApiKeyRepository(db, who)
    return await keys.page(keys.visible(), descending=False, cursor=cursor, limit=limit)


async def revoke(db: AsyncSession, who: Principal, key_id: int) -> None:
    key = await ApiKeyRepository(db, who).get(key_id, lock=True)
    key.revoked_at = now()
