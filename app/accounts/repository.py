"""Rows of people and their credentials. `UserRepository` starts from a viewer; the functions below serve logging in,
where nobody is known yet."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Select, Uuid, any_, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.errors import ApiKeyNotFound, UserNotFound
from app.core.auth import Role
from app.core.repository import Repository
from app.models.user import ApiKey, EmailConfirmation, LoginFamily, RefreshToken, User


class UserRepository(Repository[User]):
    model = User
    missing = UserNotFound

    def visible(self) -> Select[User]:
        """An administrator sees everybody, others themselves."""
        everybody = select(User)
        return everybody if self.who.role is Role.ADMIN else everybody.where(User.id == self.who.user_id)


class ApiKeyRepository(Repository[ApiKey]):
    model = ApiKey
    missing = ApiKeyNotFound

    def visible(self) -> Select[ApiKey]:
        return select(ApiKey).where(ApiKey.user_id == self.who.user_id, ApiKey.revoked_at.is_(None))


async def add_user(db: AsyncSession, *, username: str, email: str, password_hash: str, role: Role) -> User | None:
    """None when the name or the address is taken; the unit of work stays usable."""
    return (
        await db.execute(
            insert(User)
            .values(username=username, email=email, password_hash=password_hash, role=role, active=True, version=1)
            .on_conflict_do_nothing()
            .returning(User)
        )
    ).scalar_one_or_none()


async def user_by_login(db: AsyncSession, name: str) -> User | None:
    """By username or email, both in lower case; a username has no '@', so no one can take another's address as name."""
    return (await db.execute(select(User).where(or_(User.username == name, User.email == name)))).scalar_one_or_none()


async def active_user(db: AsyncSession, user_id: int) -> User | None:
    return (await db.execute(select(User).where(User.id == user_id, User.active))).scalar_one_or_none()


async def active_admins(db: AsyncSession) -> list[int]:
    """Their ids, locked until the unit of work ends, so that two administrators cannot demote each other at once."""
    query = select(User.id).where(User.role == Role.ADMIN, User.active).order_by(User.id).with_for_update()
    return list((await db.execute(query)).scalars())


async def user_in_family(db: AsyncSession, user_id: int, family_id: uuid.UUID, at: datetime) -> User | None:
    """The user of a login that has neither ended nor been revoked."""
    query = (
        select(User)
        .join(LoginFamily, LoginFamily.user_id == User.id)
        .where(
            User.id == user_id,
            User.active,
            LoginFamily.id == family_id,
            LoginFamily.revoked_at.is_(None),
            LoginFamily.expires_at > at,
        )
    )
    return (await db.execute(query)).scalar_one_or_none()


async def users_in_families(
    db: AsyncSession, family_ids: Collection[uuid.UUID], at: datetime
) -> Sequence[tuple[uuid.UUID, User]]:
    """As `user_in_family`, for many."""
    query = (
        select(LoginFamily.id, User)
        .join(User, LoginFamily.user_id == User.id)
        .where(
            User.active,
            # One statement, however many they are.
            LoginFamily.id == any_(literal(list(family_ids), ARRAY(Uuid))),
            LoginFamily.revoked_at.is_(None),
            LoginFamily.expires_at > at,
        )
    )
    return [(row[0], row[1]) for row in await db.execute(query)]


async def key_and_owner(db: AsyncSession, key_hash: bytes, at: datetime) -> tuple[ApiKey, User] | None:
    query = (
        select(ApiKey, User)
        .join(User, User.id == ApiKey.user_id)
        .where(
            ApiKey.key_hash == key_hash,
            ApiKey.revoked_at.is_(None),
            or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > at),
            User.active,
        )
    )
    row = (await db.execute(query)).one_or_none()
    return None if row is None else (row[0], row[1])


async def use_refresh_token(db: AsyncSession, token_hash: bytes, at: datetime) -> uuid.UUID | None:
    """Mark an unused token as used and give its family; a concurrent second use waits here, then gets None."""
    return (
        await db.execute(
            update(RefreshToken)
            .where(RefreshToken.token_hash == token_hash, RefreshToken.used_at.is_(None))
            .values(used_at=at)
            .returning(RefreshToken.family_id)
        )
    ).scalar_one_or_none()


async def living_family(db: AsyncSession, family_id: uuid.UUID, at: datetime) -> tuple[LoginFamily, User] | None:
    """The family, locked, with its active user."""
    query = (
        select(LoginFamily, User)
        .join(User, User.id == LoginFamily.user_id)
        .where(
            LoginFamily.id == family_id,
            LoginFamily.revoked_at.is_(None),
            LoginFamily.expires_at > at,
            User.active,
        )
        .with_for_update(of=LoginFamily)
    )
    row = (await db.execute(query)).one_or_none()
    return None if row is None else (row[0], row[1])


async def family_of_token(db: AsyncSession, token_hash: bytes) -> uuid.UUID | None:
    query = select(RefreshToken.family_id).where(RefreshToken.token_hash == token_hash)
    return (await db.execute(query)).scalar_one_or_none()


async def revoke_families(
    db: AsyncSession, *, at: datetime, user_id: int | None = None, ids: set[uuid.UUID]
) -> set[int]:
    """End these logins, and with `user_id` all of that person's; says whose were still alive."""
    chosen = (
        LoginFamily.id.in_(ids) if user_id is None else or_(LoginFamily.id.in_(ids), LoginFamily.user_id == user_id)
    )
    ended = await db.execute(
        update(LoginFamily)
        .where(chosen, LoginFamily.revoked_at.is_(None))
        .values(revoked_at=at)
        .returning(LoginFamily.user_id)
    )
    return set(ended.scalars())


async def user_by_confirmed_email(db: AsyncSession, email: str) -> User | None:
    query = select(User).where(User.email == email, User.email_confirmed_at.is_not(None))
    return (await db.execute(query)).scalar_one_or_none()


async def confirmation(
    db: AsyncSession, confirmation_id: uuid.UUID, at: datetime, *, lock: bool = False
) -> tuple[EmailConfirmation, User] | None:
    """One that is still good, with its active user, whose address it still is."""
    query = (
        select(EmailConfirmation, User)
        .join(User, User.id == EmailConfirmation.user_id)
        .where(
            EmailConfirmation.id == confirmation_id,
            EmailConfirmation.used_at.is_(None),
            EmailConfirmation.expires_at > at,
            EmailConfirmation.email == User.email,
            User.active,
        )
    )
    row = (await db.execute(query.with_for_update() if lock else query)).one_or_none()
    return None if row is None else (row[0], row[1])


async def count_keys(db: AsyncSession, user_id: int) -> int:
    query = select(func.count()).select_from(ApiKey).where(ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None))
    return (await db.execute(query)).scalar_one()


async def usernames(db: AsyncSession, ids: set[int]) -> dict[int, str]:
    rows = await db.execute(select(User.id, User.username).where(User.id.in_(ids)))
    return {row.id: row.username for row in rows}
