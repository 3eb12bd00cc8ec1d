"""Who exists, and as what. Registration makes customers; only an administrator changes a role."""

from collections.abc import Collection, Iterable

from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts import repository
from app.accounts.errors import AccountTaken, LastAdmin, UserNotFound
from app.accounts.events import AccessChanged
from app.accounts.passwords import passwords
from app.accounts.repository import UserRepository
from app.accounts.schemas import normal_email
from app.core.auth import Principal, Role
from app.core.clock import now
from app.core.pagination import Page
from app.core.settings import AuthSettings
from app.models.user import User
from app.outbox import writer as outbox

ADMIN_USERNAME = "admin"
NO_LOGIN = "!"
"""No hash of any password."""
RESERVED = frozenset({ADMIN_USERNAME, "administrator", "anonymous", "assistant", "evidesk", "me", "root", "system"})


async def register(db: AsyncSession, settings: AuthSettings, *, username: str, email: str, password: SecretStr) -> User:
    """A new customer. Raises AccountTaken."""
    if username in RESERVED:
        raise AccountTaken
    return await add(db, settings, username=username, email=email, password=password, role=Role.CUSTOMER)


async def add(
    db: AsyncSession, settings: AuthSettings, *, username: str, email: str, password: SecretStr, role: Role
) -> User:
    """A new account with any role, for those who may give one. Raises AccountTaken."""
    # Hashed before the first statement: no connection is held meanwhile.
    hashed = await passwords(settings).hash(password.get_secret_value())
    user = await repository.add_user(db, username=username, email=email, password_hash=hashed, role=role)
    if user is None:
        raise AccountTaken
    return user


async def ensure_admin(db: AsyncSession, *, email: str, password: str) -> bool:
    """Make the first administrator, named `admin`; False when there is one. Raises AccountTaken, and ValueError for
    something that is no email address."""
    if await repository.active_admins(db):
        return False
    await add(
        db,
        AuthSettings(),
        username=ADMIN_USERNAME,
        email=normal_email(email),
        password=SecretStr(password),
        role=Role.ADMIN,
    )
    return True


async def ensure_unproven(db: AsyncSession, *, username: str, email: str) -> User | None:
    """The customer of this name, made if need be, who cannot log in: no password has the hash they get.

    None when somebody else has the name or the address.
    """
    user = await repository.add_user(db, username=username, email=email, password_hash=NO_LOGIN, role=Role.CUSTOMER)
    if user is not None:
        return user
    known = await repository.user_by_login(db, email)
    return known if known is not None and known.password_hash == NO_LOGIN else None


async def by_address(db: AsyncSession, address: str) -> User | None:
    """Whoever has registered with it, which proves nothing of them."""
    return await repository.user_by_login(db, address)


async def by_confirmed_address(db: AsyncSession, address: str) -> User | None:
    """Whoever has shown that they read its mail, be their account active or not."""
    return await repository.user_by_confirmed_email(db, address)


async def principal_of(db: AsyncSession, user_id: int) -> Principal:
    """The person as they are now, for work that goes on after their request. Raises UserNotFound when deactivated."""
    user = await repository.active_user(db, user_id)
    if user is None:
        raise UserNotFound
    return user.as_principal()


async def get(db: AsyncSession, who: Principal, user_id: int) -> User:
    return await UserRepository(db, who).get(user_id)


async def page(
    db: AsyncSession, who: Principal, *, role: Role | None, active: bool | None, cursor: str | None, limit: int
) -> Page[User]:
    users = UserRepository(db, who)
    query = users.visible()
    if role is not None:
        query = query.where(User.role == role)
    if active is not None:
        query = query.where(User.active == active)
    return await users.page(query, descending=False, cursor=cursor, limit=limit)


async def change(
    db: AsyncSession,
    who: Principal,
    user_id: int,
    *,
    role: Role | None = None,
    active: bool | None = None,
    teams: Collection[str] | None = None,
) -> User:
    """Deactivating ends all logins for good; a change reaches every process within `principal_cache_seconds`."""
    admins = await repository.active_admins(db)
    user = await UserRepository(db, who).get(user_id, lock=True)
    role = role or Role(user.role)
    active = user.active if active is None else active
    if admins == [user.id] and not (active and role is Role.ADMIN):
        raise LastAdmin
    named = user.teams if teams is None else sorted(set(teams))
    if (role, active, named) != (user.role, user.active, user.teams):
        user.role, user.active, user.teams = role, active, named
        user.version += 1
        outbox.add(db, AccessChanged(user_id=user.id, timestamp=now()))
    if not active:
        await repository.revoke_families(db, at=now(), user_id=user.id, ids=set())
    return user


async def usernames(db: AsyncSession, ids: Iterable[int | None]) -> dict[int, str]:
    """Of the people with these ids, to be shown to whoever may see what they did; None is nobody."""
    known = {user_id for user_id in ids if user_id is not None}
    return await repository.usernames(db, known) if known else {}
