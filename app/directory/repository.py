"""The desk's own tables, as one source among others. Services see to it who may ask."""

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.schemas import BIGINT_MAX
from app.directory.errors import CustomerUnknown, ServiceUnknown
from app.directory.schemas import Profile, ProfileIn, Service, ServiceIn
from app.models.directory import CustomerProfile, ServiceStatus
from app.models.user import User

MOST_SERVICES = 500


async def email_of(db: AsyncSession, user_id: int) -> str:
    """Raises CustomerUnknown."""
    email = None
    if 1 <= user_id <= BIGINT_MAX:
        email = (await db.execute(select(User.email).where(User.id == user_id))).scalar_one_or_none()
    if email is None:
        raise CustomerUnknown
    return email


async def profile(db: AsyncSession, user_id: int) -> Profile | None:
    row = (await db.execute(select(CustomerProfile).where(CustomerProfile.user_id == user_id))).scalar_one_or_none()
    return None if row is None else Profile.model_validate(row)


async def store_profile(db: AsyncSession, user_id: int, given: ProfileIn) -> None:
    values = given.model_dump()
    new = insert(CustomerProfile).values(user_id=user_id, **values)
    await db.execute(new.on_conflict_do_update(index_elements=["user_id"], set_=values))


async def services(db: AsyncSession) -> list[Service]:
    query = select(ServiceStatus).order_by(ServiceStatus.name).limit(MOST_SERVICES)
    return [Service.model_validate(row) for row in (await db.execute(query)).scalars()]


async def store_service(db: AsyncSession, name: str, given: ServiceIn) -> None:
    """`since` moves only when the state does."""
    values = given.model_dump()
    known = (await db.execute(select(ServiceStatus.state).where(ServiceStatus.name == name))).scalar_one_or_none()
    if known != given.state:
        values["since"] = func.now()
    new = insert(ServiceStatus).values(name=name, **values)
    await db.execute(new.on_conflict_do_update(index_elements=["name"], set_=values))


async def drop_service(db: AsyncSession, name: str) -> None:
    gone = await db.execute(delete(ServiceStatus).where(ServiceStatus.name == name).returning(ServiceStatus.id))
    if gone.one_or_none() is None:
        raise ServiceUnknown
