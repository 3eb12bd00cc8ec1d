"""Whose mail it is. An address is a claim: it opens conversations of its own, and no account's.

Registration proves no address, so a registered account is given the mail of its address only once its owner has shown
that they read it. Staff are trusted with theirs, if a trusted server vouches for it.
"""

import hashlib
import re

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts import service as accounts
from app.accounts.errors import UserNotFound
from app.core.auth import Principal, Role
from app.core.settings import MailSettings
from app.mail import repository
from app.models.mail import MailAddress

_ODD = re.compile(r"[^a-z0-9]+")


async def staff_of(db: AsyncSession, address: str, *, authenticated: bool) -> Principal | None:
    """The member of the staff whose address it provably is."""
    if not authenticated:
        return None
    user = await accounts.by_address(db, address)
    if user is None or not user.active or user.role == Role.CUSTOMER or user.email != address:
        return None
    return Principal(user.id, user.username, Role(user.role))


async def requester_of(db: AsyncSession, settings: MailSettings, address: str) -> Principal | None:
    """The customer whose conversations this address opens, made at its first mail; None: their account is closed."""
    confirmed = await accounts.by_confirmed_address(db, address) if settings.confirmed_accounts else None
    if confirmed is not None and confirmed.role == Role.CUSTOMER:
        # What it has begun before it was confirmed stays where it is.
        user_id = confirmed.id
    else:
        user_id = await repository.owner_of(db, address) or await _new_owner(db, address)
    try:
        found = await accounts.principal_of(db, user_id)
    except UserNotFound:
        return None
    return Principal(found.user_id, found.username, Role.CUSTOMER)


async def _new_owner(db: AsyncSession, address: str) -> int:
    digest = hashlib.sha256(address.encode()).hexdigest()
    local = _ODD.sub("-", address.partition("@")[0]).strip("-")[:30] or "mail"
    # Not under the address itself: whoever can prove it one day may still register with it.
    user = await accounts.ensure_unproven(db, username=f"{local}-{digest[:12]}", email=f"{digest[:32]}@mail.invalid")
    if user is None:
        raise RuntimeError("The name of a requester's account is taken by somebody else.")
    await db.execute(insert(MailAddress).values(address=address, user_id=user.id).on_conflict_do_nothing())
    return await repository.owner_of(db, address) or user.id
