"""Connections, which administrators see, and passed-on tickets, which the staff sees."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Select, false, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.repository import AdministratorsRepository, Repository
from app.integrations.errors import IntegrationMissing
from app.models.integration import Export, Integration


class IntegrationRepository(AdministratorsRepository[Integration]):
    model = Integration
    missing = IntegrationMissing

    async def enabled(self) -> Sequence[Integration]:
        return (
            (await self.db.execute(self.visible().where(Integration.enabled).order_by(Integration.id))).scalars().all()
        )


class ExportRepository(Repository[Export]):
    model = Export

    def visible(self) -> Select[Export]:
        everything = select(Export)
        return everything if self.who.is_staff else everything.where(false())

    async def with_connections(
        self, *, ticket_id: int | None, integration_id: int | None = None
    ) -> list[tuple[Export, Integration]]:
        """The newest 100, each with its connection."""
        query = self.visible().join(Integration, Integration.id == Export.integration_id).add_columns(Integration)
        if ticket_id is not None:
            query = query.where(Export.ticket_id == ticket_id)
        if integration_id is not None:
            query = query.where(Export.integration_id == integration_id)
        rows = await self.db.execute(query.order_by(Export.created_at.desc(), Export.id).limit(100))
        return [(row[0], row[1]) for row in rows]


async def usable(db: AsyncSession, provider: str | None, name: str | None) -> Sequence[Integration]:
    """For passing a ticket on, by people who do not see how a connection is made."""
    query = select(Integration).where(Integration.enabled)
    if provider is not None:
        query = query.where(Integration.provider == provider)
    if name is not None:
        query = query.where(Integration.name == name)
    return (await db.execute(query.order_by(Integration.id))).scalars().all()


async def connection(db: AsyncSession, integration_id: int) -> Integration | None:
    return await db.get(Integration, integration_id)


async def export_of(db: AsyncSession, integration_id: int, ticket_id: int) -> Export | None:
    """Held until the unit of work ends."""
    query = select(Export).where(Export.integration_id == integration_id, Export.ticket_id == ticket_id)
    return (await db.execute(query.with_for_update())).scalar_one_or_none()


async def export(db: AsyncSession, export_id: UUID) -> tuple[Export, Integration] | None:
    query = select(Export, Integration).join(Integration, Integration.id == Export.integration_id)
    row = (await db.execute(query.where(Export.id == export_id).with_for_update(of=Export))).one_or_none()
    return None if row is None else (row[0], row[1])
