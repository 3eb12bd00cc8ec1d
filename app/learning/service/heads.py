"""Which version of the classifier is used, in every process, from the next run on."""

import asyncio
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts import service as accounts
from app.ai_config.abstention import ABSTENTION
from app.core.auth import Principal
from app.core.telemetry import get_logger
from app.inference.local import classifier
from app.inference.local.head import shipped_head, unpack
from app.learning import repository
from app.learning.errors import HeadUnusable
from app.learning.repository import HeadRepository
from app.learning.schemas import HeadLine, HeadOut
from app.models.classifier import ClassifierHead, HeadStatus

log = get_logger(__name__)

SHIPPED = 0
MOST_LISTED = 100


async def refresh(db: AsyncSession) -> int:
    """To be called before this process classifies: if another version is active than the one in its memory, that one is
    read, and from which confidence on it tells anything. The active version."""
    _version, rules = await ABSTENTION.in_force(db)
    classifier.abstain_below(rules.below)
    found = await repository.active(db)
    version, checksum = (SHIPPED, None) if found is None else found
    if classifier.in_use() != checksum:
        if checksum is None:
            await asyncio.to_thread(classifier.use_shipped)
        else:
            weights, description = await repository.artefact(db, version)
            head = await asyncio.to_thread(unpack, weights, description)
            await asyncio.to_thread(classifier.use, head, checksum)
        log.info("classifier_changed", version=version)
    return version


async def in_force(db: AsyncSession, who: Principal) -> HeadOut:
    found = await repository.active(db)
    return await one(db, who, SHIPPED if found is None else found[0])


async def one(db: AsyncSession, who: Principal, version: int) -> HeadOut:
    """Raises HeadUnknown."""
    if version == SHIPPED:
        active = await repository.active(db)
        return HeadOut.model_validate({**_shipped_line(active is None), **_shipped_report()})
    row = await HeadRepository(db, who).version(version)
    names = await accounts.usernames(db, {row.author_id})
    empty: dict[str, Any] = {
        "labels": [],
        "examples": {},
        "left_out": {},
        "cross_validation": None,
        "held_out": None,
        "libraries": {},
    }
    return HeadOut.model_validate({**_line(row, names), **empty, **(row.report or {})})


async def versions(db: AsyncSession, who: Principal) -> list[HeadLine]:
    """The newest, and at the end the delivered one."""
    rows = await HeadRepository(db, who).newest(limit=MOST_LISTED)
    names = await accounts.usernames(db, {row.author_id for row in rows})
    shipped = _shipped_line(await repository.active(db) is None)
    return [HeadLine.model_validate(line) for line in [*(_line(row, names) for row in rows), shipped]]


async def roll_back(db: AsyncSession, who: Principal, *, version: int) -> HeadOut:
    """Make a version that was trained before, or the delivered one, the active one. Raises HeadUnusable."""
    await repository.hold(db)
    if version == SHIPPED:
        await repository.retire_active(db)
        return await one(db, who, SHIPPED)
    row = await HeadRepository(db, who).version(version)
    if row.status not in (HeadStatus.ACTIVE, HeadStatus.READY):
        raise HeadUnusable
    await repository.retire_active(db)
    await db.refresh(row, ["status"])
    row.status = HeadStatus.ACTIVE
    await db.flush()
    return await one(db, who, version)


def _line(row: ClassifierHead, names: dict[int, str]) -> dict[str, Any]:
    checked = (row.report or {}).get("cross_validation") or {}
    return {
        "version": row.version,
        "status": row.status,
        "reason": row.reason,
        **{name: checked.get(name) for name in ("accuracy", "macro_f1", "ece")},
        "created_at": row.created_at,
        "created_by": None if row.author_id is None else names.get(row.author_id),
        "finished_at": row.finished_at,
    }


def _shipped_line(active: bool) -> dict[str, Any]:
    checked = shipped_head().metadata["cross_validation"]
    return {
        "version": SHIPPED,
        "status": HeadStatus.ACTIVE if active else HeadStatus.READY,
        "reason": None,
        **{name: checked[name] for name in ("accuracy", "macro_f1", "ece")},
        "created_at": None,
        "created_by": None,
        "finished_at": None,
    }


def _shipped_report() -> dict[str, Any]:
    head = shipped_head()
    return {
        "labels": list(head.labels),
        "examples": {"delivered": head.metadata["examples"], "people": 0},
        "left_out": {},
        "cross_validation": head.metadata["cross_validation"],
        "held_out": None,
        "libraries": head.metadata["libraries"],
    }
