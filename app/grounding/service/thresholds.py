"""The thresholds in force, and their versions: none is ever edited, and a rollback is a new one too."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.core.pagination import Page
from app.grounding import repository
from app.grounding.errors import ThresholdsInvalid
from app.grounding.repository import ThresholdsRepository
from app.grounding.schemas import ThresholdsOut
from app.grounding.thresholds import Thresholds, effective
from app.models.grounding import AnswerThresholds

DELIVERED = 0


async def in_force(db: AsyncSession) -> tuple[int, Thresholds]:
    """An answer reads them once, when it begins."""
    row = await repository.newest(db)
    return (DELIVERED, effective({})) if row is None else (row.version, effective(row.replaced))


async def shown(db: AsyncSession) -> ThresholdsOut:
    row = await repository.newest(db)
    return _delivered() if row is None else (await _shown(db, [row]))[0]


async def update(db: AsyncSession, who: Principal, *, values: dict[str, Any]) -> ThresholdsOut:
    """The next version, in force from the next answer on; null puts a delivered value back.

    Raises ThresholdsInvalid.
    """
    await repository.hold(db)
    row = await repository.newest(db)
    merged = {**({} if row is None else row.replaced), **values}
    return await _add(db, who, row, {name: value for name, value in merged.items() if value is not None})


async def roll_back(db: AsyncSession, who: Principal, *, version: int) -> ThresholdsOut:
    """A new version with an old one's values; 0 is what was delivered."""
    old = {} if version == DELIVERED else (await ThresholdsRepository(db, who).get(version)).replaced
    await repository.hold(db)
    return await _add(db, who, await repository.newest(db), old)


async def history(db: AsyncSession, who: Principal, *, cursor: str | None, limit: int) -> Page[ThresholdsOut]:
    """Newest first."""
    versions = ThresholdsRepository(db, who)
    page = await versions.page(versions.visible(), cursor=cursor, limit=limit)
    return Page(await _shown(db, page.rows), page.next_cursor)


async def _add(
    db: AsyncSession, who: Principal, last: AnswerThresholds | None, replaced: dict[str, Any]
) -> ThresholdsOut:
    try:
        effective(replaced)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise ThresholdsInvalid("; ".join(problems)[:2000]) from error
    version = DELIVERED + 1 if last is None else last.version + 1
    db.add(AnswerThresholds(version=version, replaced=replaced, author_id=who.user_id))
    await db.flush()
    return await shown(db)


async def _shown(db: AsyncSession, rows: Sequence[AnswerThresholds]) -> list[ThresholdsOut]:
    names = await repository.usernames(db, {row.author_id for row in rows})
    return [
        ThresholdsOut(
            version=row.version,
            effective=effective(row.replaced),
            replaced=sorted(row.replaced),
            updated_at=row.created_at,
            updated_by=names.get(row.author_id),
        )
        for row in rows
    ]


def _delivered() -> ThresholdsOut:
    return ThresholdsOut(version=DELIVERED, effective=effective({}), replaced=[], updated_at=None, updated_by=None)
