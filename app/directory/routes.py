"""The desk's own tables of customers and services, kept by administrators."""

from typing import Annotated

from fastapi import APIRouter, Path

from app.accounts.authentication import AdminUser, StaffUser
from app.accounts.errors import ScopeMissing
from app.core.db import ReadSession, WriteSession
from app.core.errors import Forbidden, Invalid, RateLimited, Unauthenticated, documented
from app.core.resources import Res
from app.core.schemas import Slug
from app.directory import service
from app.directory.errors import CustomerUnknown, ServiceUnknown
from app.directory.schemas import Profile, ProfileIn, Service, ServiceIn

router = APIRouter(
    prefix="/directory",
    tags=["directory"],
    responses=documented(Unauthenticated, ScopeMissing, Forbidden, Invalid, RateLimited),
)

Name = Annotated[Slug, Path()]


@router.get("/customers/{user_id}", responses=documented(CustomerUnknown))
async def get_customer(user_id: int, who: StaffUser, db: ReadSession, resources: Res) -> Profile | None:
    """What is known of a customer, as agents are told it; null when that is nothing."""
    return await service.profile(resources, db, who, user_id)


@router.put("/customers/{user_id}", responses=documented(CustomerUnknown))
async def put_customer(user_id: int, body: ProfileIn, _who: AdminUser, db: WriteSession) -> Profile:
    """Counts within the cache's time limit. Not asked while another system is configured."""
    return await service.store_profile(db, user_id, given=body)


@router.get("/services")
async def list_services(_who: StaffUser, db: ReadSession, resources: Res) -> list[Service] | None:
    """All services with their state; null when the system that knows them is away."""
    return await service.services(resources, db)


@router.put("/services/{name}")
async def put_service(name: Name, body: ServiceIn, _who: AdminUser, db: WriteSession) -> Service:
    """Add a service or say how it is. `since` moves with its state."""
    return await service.store_service(db, name, given=body)


@router.delete("/services/{name}", status_code=204, responses=documented(ServiceUnknown))
async def delete_service(name: Name, _who: AdminUser, db: WriteSession) -> None:
    """Reports no longer speak of it."""
    await service.drop_service(db, name)
