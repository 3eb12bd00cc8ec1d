"""The values of one subject: which are in force, how they came to be, and how they are changed and taken back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts import service as accounts
from app.core.auth import Principal
from app.core.errors import BadRequest, NotFound
from app.core.http import field_errors
from app.core.pagination import Page
from app.models.versions import ValueVersion
from app.versions import repository
from app.versions.repository import VersionRepository
from app.versions.schemas import ValueChange

DELIVERED = 0
MAX_DETAIL_CHARS = 2_000
V = TypeVar("V", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Shown(Generic[V]):
    version: int
    effective: V
    replaced: list[str]
    changes: dict[str, ValueChange]
    updated_at: datetime | None
    updated_by: str | None


@dataclass(frozen=True, slots=True)
class Values(Generic[V]):
    """`effective` gives the delivered values with some in their place, and raises pydantic's ValidationError."""

    subject: str
    effective: Callable[[Mapping[str, Any]], V]
    invalid: type[BadRequest]
    unknown: type[NotFound]

    async def in_force(self, db: AsyncSession) -> tuple[int, V]:
        """Version and values. Whoever works by them reads them once, when it begins."""
        row = await repository.newest(db, self.subject)
        return (DELIVERED, self.effective({})) if row is None else (row.version, self.effective(row.replaced))

    async def shown(self, db: AsyncSession) -> Shown[V]:
        row = await repository.newest(db, self.subject)
        if row is None:
            return Shown(DELIVERED, self.effective({}), [], {}, None, None)
        return (await self._of(db, [row]))[0]

    async def update(self, db: AsyncSession, who: Principal, *, values: dict[str, Any]) -> Shown[V]:
        """The next version; null puts a delivered value back. Raises `invalid`."""
        await repository.hold(db, self.subject)
        row = await repository.newest(db, self.subject)
        merged = {**({} if row is None else row.replaced), **values}
        return await self._add(db, who, row, {name: value for name, value in merged.items() if value is not None})

    async def roll_back(self, db: AsyncSession, who: Principal, *, version: int) -> Shown[V]:
        """A new version with an old one's values; 0 is what was delivered. Raises `unknown`."""
        old = {} if version == DELIVERED else (await self._versions(db, who).get(version)).replaced
        await repository.hold(db, self.subject)
        return await self._add(db, who, await repository.newest(db, self.subject), old)

    async def history(self, db: AsyncSession, who: Principal, *, cursor: str | None, limit: int) -> Page[Shown[V]]:
        """Newest first, each with what it changed."""
        versions = self._versions(db, who)
        page = await versions.page(versions.visible(), cursor=cursor, limit=limit)
        return Page(await self._of(db, page.rows), page.next_cursor)

    def _versions(self, db: AsyncSession, who: Principal) -> VersionRepository:
        return VersionRepository(db, who, self.subject, self.unknown)

    async def _add(
        self, db: AsyncSession, who: Principal, last: ValueVersion | None, replaced: dict[str, Any]
    ) -> Shown[V]:
        try:
            self.effective(replaced)
        except ValidationError as error:
            problems = [f"{'.'.join(map(str, one.location))}: {one.message}" for one in field_errors(error.errors())]
            raise self.invalid("; ".join(problems)[:MAX_DETAIL_CHARS]) from error
        version = DELIVERED + 1 if last is None else last.version + 1
        db.add(ValueVersion(subject=self.subject, version=version, replaced=replaced, author_id=who.user_id))
        await db.flush()
        return await self.shown(db)

    async def _of(self, db: AsyncSession, rows: Sequence[ValueVersion]) -> list[Shown[V]]:
        names = await accounts.usernames(db, {row.author_id for row in rows})
        before = await repository.some(db, self.subject, {row.version - 1 for row in rows})
        return [
            Shown(
                row.version,
                self.effective(row.replaced),
                sorted(row.replaced),
                self._changes(before.get(row.version - 1), row),
                row.created_at,
                names.get(row.author_id),
            )
            for row in rows
        ]

    def _changes(self, before: ValueVersion | None, after: ValueVersion) -> dict[str, ValueChange]:
        old, new = (
            self.effective({} if row is None else row.replaced).model_dump(mode="json") for row in (before, after)
        )
        return {name: ValueChange(before=old[name], after=new[name]) for name in new if old[name] != new[name]}
