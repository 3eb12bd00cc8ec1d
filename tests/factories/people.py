"""People for tests: through the service, or as a principal alone, and the headers with which they call."""

from dataclasses import dataclass
from datetime import timedelta
from itertools import count

from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts import service
from app.core.auth import Principal, Role
from app.core.clock import now
from app.core.resources import Resources
from app.core.settings import AuthSettings
from app.models.base import uuid7
from app.models.user import LoginFamily, User

PASSWORD = "correct horse battery"
CHEAP = AuthSettings(argon2_memory_kib=8, argon2_time_cost=1)

_numbers = count(1)


@dataclass(frozen=True)
class Person:
    """Somebody logged in: `who` for services, `headers` for HTTP, `token` for WebSocket."""

    who: Principal
    token: str

    @property
    def id(self) -> int:
        return self.who.user_id

    @property
    def username(self) -> str:
        return self.who.username

    @property
    def headers(self) -> dict[str, str]:
        return bearer(self.token)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def add_user(db: AsyncSession, role: Role = Role.CUSTOMER, username: str | None = None) -> User:
    """In the unit of work of the caller, who commits it."""
    name = username or f"{role}-{next(_numbers)}"
    return await service.add(
        db, CHEAP, username=name, email=f"{name}@example.com", password=SecretStr(PASSWORD), role=role
    )


async def principal(resources: Resources, role: Role = Role.CUSTOMER, username: str | None = None) -> Principal:
    """A committed user, as services know them."""
    async with resources.db.unit_of_work() as db:
        user = await add_user(db, role, username)
    return Principal(user.id, user.username, role)


async def register(resources: Resources, role: Role = Role.CUSTOMER, username: str | None = None) -> Person:
    """A committed user with a login, and the access token of it (without the cost of a password check)."""
    lifetime = timedelta(hours=1)
    async with resources.db.unit_of_work() as db:
        user = await add_user(db, role, username)
        family = LoginFamily(id=uuid7(), user_id=user.id, expires_at=now() + lifetime)
        db.add(family)
    token = resources.signer.mint(user.id, audience="api", lifetime=lifetime, family=str(family.id))
    return Person(Principal(user.id, user.username, role), token)
