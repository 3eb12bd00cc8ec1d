"""Connections as an administrator keeps them, and how they are."""

import asyncio
from typing import Any, Literal

from pydantic import BaseModel, ValidationError
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.core.clock import now
from app.core.db import Database
from app.core.http import check_version, field_errors
from app.core.pagination import Page
from app.core.resources import Resources
from app.integrations.base import IssueTracker
from app.integrations.errors import (
    IntegrationInvalid,
    IntegrationNameTaken,
    RateLimited,
    Rejected,
    SecretUnreadable,
    Unauthorized,
    Unavailable,
    VendorFault,
)
from app.integrations.repository import IntegrationRepository
from app.integrations.schemas import CheckOut, IntegrationChanges, IntegrationIn, IntegrationOut, IntegrationsHealth
from app.integrations.vault import Vault
from app.integrations.vendors import VENDORS, Provider, revealed, tracker
from app.models.integration import Integration

Fault = Literal["unavailable", "rate_limited", "rejected", "unauthorized"]


async def add(resources: Resources, db: AsyncSession, *, given: IntegrationIn) -> IntegrationOut:
    """Raises IntegrationNameTaken. Nothing is called: see `check`."""
    made = (
        await db.execute(
            insert(Integration)
            .values(
                provider=given.provider,
                name=given.name,
                enabled=given.enabled,
                config=given.config.model_dump(mode="json"),
                secret=Vault(resources.settings).seal(revealed(given.secret)),
            )
            .on_conflict_do_nothing(index_elements=["name"])
            .returning(Integration)
        )
    ).scalar_one_or_none()
    if made is None:
        raise IntegrationNameTaken
    return shown(made)


async def list_connections(db: AsyncSession, who: Principal, *, cursor: str | None, limit: int) -> Page[IntegrationOut]:
    rows = IntegrationRepository(db, who)
    page = await rows.page(rows.visible(), descending=False, cursor=cursor, limit=limit)
    return Page([shown(row) for row in page.rows], page.next_cursor)


async def read(db: AsyncSession, who: Principal, integration_id: int) -> IntegrationOut:
    return shown(await IntegrationRepository(db, who).get(integration_id))


async def change(
    resources: Resources,
    db: AsyncSession,
    who: Principal,
    integration_id: int,
    *,
    changes: IntegrationChanges,
    if_match: str | None,
) -> IntegrationOut:
    """Raises IntegrationInvalid, IntegrationNameTaken, PreconditionFailed."""
    row = await IntegrationRepository(db, who).get(integration_id, lock=True)
    vendor = VENDORS[Provider(row.provider)]
    wanted: dict[str, Any] = changes.model_dump(exclude_unset=True, exclude_none=True, exclude={"secret", "config"})
    if changes.config is not None:
        wanted["config"] = _validated(vendor.settings, changes.config, "config").model_dump(mode="json")
    current = {"name": row.name, "enabled": row.enabled, "config": row.config}
    check_version(if_match, version=row.version, current=current, wanted=wanted)
    for name, value in wanted.items():
        setattr(row, name, value)
    if changes.secret is not None:
        row.secret = Vault(resources.settings).seal(revealed(_validated(vendor.credentials, changes.secret, "secret")))
    row.version += 1
    row.updated_at = now()
    try:
        await db.flush()
    except IntegrityError as error:
        raise IntegrationNameTaken from error
    return shown(row)


async def remove(db: AsyncSession, who: Principal, integration_id: int) -> None:
    """With the record of what was passed on over it; what is in the other system stays there."""
    await db.delete(await IntegrationRepository(db, who).get(integration_id, lock=True))
    await db.flush()


async def check(resources: Resources, who: Principal, integration_id: int) -> CheckOut:
    """Holds no connection of the database while the other system is asked."""
    async with resources.db.session() as db:
        row = await IntegrationRepository(db, who).get(integration_id)
    return await _check(resources, row)


async def health(resources: Resources, who: Principal) -> IntegrationsHealth:
    """Asks every connection that is switched on, all at once."""
    rows = await _enabled(resources.db, who)
    answers = await asyncio.gather(*(_check(resources, row) for row in rows))
    return IntegrationsHealth(
        status="ok" if all(answer.ok for answer in answers) else "degraded", integrations=list(answers)
    )


async def _enabled(database: Database, who: Principal) -> list[Integration]:
    async with database.session() as db:
        return list(await IntegrationRepository(db, who).enabled())


async def _check(resources: Resources, row: Integration) -> CheckOut:
    fault: Fault | None = None
    try:
        detail = await opened(resources, row).check()
    except SecretUnreadable as error:
        fault, detail = "unauthorized", error.detail
    except VendorFault as error:
        fault, detail = kind_of(error), error.reason
    return CheckOut(
        id=row.id, name=row.name, provider=Provider(row.provider), ok=fault is None, fault=fault, detail=detail
    )


def opened(resources: Resources, row: Integration) -> IssueTracker:
    """The connection's adapter. Raises SecretUnreadable, and Rejected for settings that are no longer enough."""
    secret = Vault(resources.settings).open(row.secret or b"")
    try:
        return tracker(row.provider, row.config, secret, resources.settings.integrations)
    except ValidationError as error:
        raise Rejected(
            "The connection's settings are not complete; an administrator has to enter them anew."
        ) from error


def kind_of(error: VendorFault) -> Fault:
    match error:
        case Unavailable():
            return "unavailable"
        case RateLimited():
            return "rate_limited"
        case Unauthorized():
            return "unauthorized"
        case _:
            return "rejected"


def shown(row: Integration) -> IntegrationOut:
    return IntegrationOut(
        id=row.id,
        provider=Provider(row.provider),
        name=row.name,
        enabled=row.enabled,
        config=row.config,
        has_secret=row.secret is not None,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _validated(kind: type[BaseModel], given: dict[str, Any], where: str) -> Any:
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        problems = [{**one, "loc": ("body", where, *one["loc"])} for one in error.errors(include_url=False)]
        raise IntegrationInvalid(errors=field_errors(problems)) from error
