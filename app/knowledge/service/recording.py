"""Searches as they went, kept for a while: written when the answer is out, so that nobody waits for it."""

import random
from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.core.pagination import Page
from app.core.resources import Resources
from app.core.telemetry import correlation_id, get_logger
from app.inference.privacy.detectors import without_personal_data
from app.knowledge.diagnosis import Diagnosis
from app.knowledge.repository import SearchRecordRepository
from app.knowledge.schemas import SearchRecordOut, SearchRecordQuery
from app.models.base import uuid7
from app.models.search_record import SearchRecord
from app.providers import service as providers

log = get_logger(__name__)

ROWS = 5000
_OLD = text(
    """
    WITH gone AS (
        DELETE FROM search_records WHERE id IN (
            SELECT id FROM search_records
            WHERE created_at < now() - make_interval(days => :days) ORDER BY created_at LIMIT :rows
        ) RETURNING 1
    )
    SELECT count(*) FROM gone
    """
)


async def keep_searches(resources: Resources, who: Principal, seen: Sequence[Diagnosis]) -> None:
    """A share of them, as configured. It may fail: a search that is not kept is still answered."""
    share = resources.settings.knowledge.diagnostics_share
    if not seen or random.random() >= share:  # noqa: S311 - which ones are kept is no secret
        return
    try:
        async with resources.db.unit_of_work() as db:
            regions = (await providers.platform(db)).safety.phone_regions
            db.add_all(_row(who, one, regions) for one in seen)
    except (SQLAlchemyError, OSError) as error:
        log.warning("search_not_kept", error=type(error).__name__)


async def list_searches(db: AsyncSession, who: Principal, *, asked: SearchRecordQuery) -> Page[SearchRecordOut]:
    """Newest first; for administrators."""
    page = await SearchRecordRepository(db, who).search(asked)
    return Page([SearchRecordOut.model_validate(row) for row in page.rows], page.next_cursor)


async def forget_searches(db: AsyncSession, *, days: int) -> int:
    """Those older than that, at most `ROWS`; how many."""
    count: int = (await db.execute(_OLD, {"days": days, "rows": ROWS})).scalar_one()
    return count


def _row(who: Principal, one: Diagnosis, regions: list[str]) -> SearchRecord:
    return SearchRecord(
        id=uuid7(),
        correlation_id=correlation_id.get()[:200],
        reader_id=who.user_id or None,
        reader_role=who.role,
        query=without_personal_data(one.query, regions=regions),
        config=one.config,
        found=one.found,
        candidates=[_candidate(found) for found in one.candidates],
        timings=one.timings,
    )


def _candidate(found: Any) -> dict[str, Any]:
    return {
        "doc_id": str(found.document_id),
        "version": found.version,
        "chunk_id": str(found.chunk_id),
        "position": found.position,
        "lexical": round(found.lexical, 4),
        "vector": round(found.cosine, 4),
        "score": round(found.score, 4),
    }
