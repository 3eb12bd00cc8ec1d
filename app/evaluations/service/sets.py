"""Evaluation sets: those delivered with the product, and an administrator's own."""

from importlib.resources import files
from typing import Any

import yaml
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts import service as accounts
from app.agents.declarations import answer_fields
from app.ai_config.catalogue import AgentType
from app.ai_config.errors import ConfigInvalid
from app.core.auth import Principal
from app.evaluations import repository
from app.evaluations.repository import SetRepository
from app.evaluations.schemas import EvaluationSetIn, EvaluationSetLine, EvaluationSetOut
from app.models.evaluation import EvaluationSet

DEFAULT = "default"


async def ensure_defaults(db: AsyncSession) -> None:
    """Store the delivered sets, for agents that have none."""
    there = await repository.agents_with_sets(db)
    rows: list[dict[str, object]] = [
        {"agent_type": kind, "name": DEFAULT, "description": given.description, "cases": _cases(given)}
        for kind, given in delivered().items()
        if kind not in there
    ]
    if rows:
        await repository.add_first(db, rows)


def delivered() -> dict[AgentType, EvaluationSetIn]:
    """The sets in `defaults/`. Reports are shared by the agents that judge them, each by its own fields."""
    folder = files("app.evaluations") / "defaults"
    reports = yaml.safe_load((folder / "reports.yaml").read_text(encoding="utf-8"))
    found = {
        AgentType(kind): EvaluationSetIn(
            description=reports["description"],
            cases=[
                {**case, "expected": {name: case["expected"][name] for name in fields}} for case in reports["cases"]
            ],
        )
        for kind, fields in reports["agents"].items()
    }
    for kind in (AgentType.QUALITY, AgentType.ESCALATION):
        own = yaml.safe_load((folder / f"{kind}.yaml").read_text(encoding="utf-8"))
        found[kind] = EvaluationSetIn.model_validate(own)
    return found


async def all_sets(db: AsyncSession, who: Principal, kind: AgentType) -> list[EvaluationSetLine]:
    rows = await SetRepository(db, who).of(kind)
    names = await accounts.usernames(db, {row.author_id for row in rows})
    return [
        EvaluationSetLine(
            name=row.name,
            description=row.description,
            version=row.version,
            cases=len(row.cases),
            updated_at=row.updated_at,
            updated_by=None if row.author_id is None else names.get(row.author_id),
        )
        for row in rows
    ]


async def one_set(db: AsyncSession, who: Principal, kind: AgentType, name: str) -> EvaluationSetOut:
    return await _shown(db, await SetRepository(db, who).named(kind, name))


async def store_set(
    db: AsyncSession, who: Principal, kind: AgentType, name: str, *, given: EvaluationSetIn
) -> EvaluationSetOut:
    """Create or replace. Raises ConfigInvalid for an expected field that this agent's answers do not have."""
    known = answer_fields(kind)
    for case in given.cases:
        if foreign := sorted(set(case.expected) - known):
            raise ConfigInvalid(
                f"cases: {case.name!r} expects {foreign[0]!r}, which answers of {kind} do not have; they have "
                f"{', '.join(sorted(known))}."
            )
    await repository.store(
        db,
        {
            "agent_type": kind,
            "name": name,
            "description": given.description,
            "cases": _cases(given),
            "author_id": who.user_id,
        },
    )
    return await one_set(db, who, kind, name)


async def drop_set(db: AsyncSession, who: Principal, kind: AgentType, name: str) -> None:
    """Reports keep the cases that they were made with."""
    await repository.drop(db, await SetRepository(db, who).named(kind, name))


def _cases(given: EvaluationSetIn) -> list[dict[str, Any]]:
    return [case.model_dump(mode="json", exclude_none=False, exclude_defaults=True) for case in given.cases]


async def _shown(db: AsyncSession, row: EvaluationSet) -> EvaluationSetOut:
    names = await accounts.usernames(db, {row.author_id})
    return EvaluationSetOut.model_validate(
        {
            "agent_type": row.agent_type,
            "name": row.name,
            "description": row.description,
            "version": row.version,
            "cases": row.cases,
            "updated_at": row.updated_at,
            "updated_by": None if row.author_id is None else names.get(row.author_id),
        }
    )
