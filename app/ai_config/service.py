"""Versions of each agent's configuration. A version is never edited: every change, a rollback too, is a new one.

One version of an agent is active; beside it a candidate may take part of the runs. Runs read both when they start, so
a change is in force for the next run in every process.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Any, Literal

from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts import service as accounts
from app.ai_config import repository
from app.ai_config.catalogue import POLICIES, AgentType
from app.ai_config.errors import AgentTypeUnknown, CandidateMissing, ConfigMissing, ConfigVersionUnknown
from app.ai_config.repository import AiConfigRepository, InForce
from app.ai_config.schemas import Changes, ConfigValues, FieldChange
from app.ai_config.validation import FIELDS, check_model, merged
from app.core.auth import Principal
from app.core.pagination import Page
from app.core.settings import Settings
from app.models.agent import AiConfig, AiConfigState

__all__ = ["check_model", "merged"]

ALL_RUNS = 100
_LONG_TEXT = "system_prompt"

DEFAULT_TEMPERATURE = 0.2
DEFAULT_MAX_TOKENS = 4096
DEFAULT_TIMEOUT_SECONDS = 120.0

Standing = Literal["active", "candidate", "past"]


@dataclass(frozen=True, slots=True)
class Version:
    """A stored version with its author's name, and what it changed in the version that it was made from."""

    row: AiConfig
    author: str | None
    changes: Changes
    standing: Standing
    rollout: int
    """Percent of the runs."""
    candidate: tuple[int, int] | None = None
    """Of the active one: version and percent of the candidate beside it."""
    ended: int | None = None
    """The candidate that made way for this version."""


def agent_type(name: str) -> AgentType:
    """Raises AgentTypeUnknown."""
    try:
        return AgentType(name)
    except ValueError:
        raise AgentTypeUnknown(f"There is no agent of this type; there are {', '.join(AgentType)}.") from None


async def ensure_defaults(db: AsyncSession, settings: Settings) -> None:
    """Store the configurations that are delivered with the product as version 1, where there is none yet."""
    await repository.add_first(
        db,
        [
            {
                "agent_type": kind,
                "version": 1,
                "model": settings.models.default,
                "temperature": DEFAULT_TEMPERATURE,
                "max_tokens": DEFAULT_MAX_TOKENS,
                "timeout": DEFAULT_TIMEOUT_SECONDS,
                "system_prompt": _default_prompt(kind),
                "tools_enabled": list(policy.default),
            }
            for kind, policy in POLICIES.items()
        ],
    )


def _default_prompt(kind: AgentType) -> str:
    return (files("app.ai_config") / "defaults" / f"{kind}.md").read_text(encoding="utf-8").strip()


async def in_force(db: AsyncSession, kind: AgentType) -> InForce:
    """Raises ConfigMissing when the defaults were never stored."""
    found = await repository.in_force(db, kind)
    if found is None:
        raise ConfigMissing
    return found


async def active(db: AsyncSession, kind: AgentType) -> AiConfig:
    return (await in_force(db, kind)).active


async def chosen(db: AsyncSession, kind: AgentType, key: str) -> AiConfig:
    """The version for a run: one key always gets the same, as long as the same versions are in force."""
    found = await in_force(db, kind)
    if found.candidate is not None and takes_part(kind, found.candidate.version, key, found.rollout):
        return found.candidate
    return found.active


def takes_part(kind: AgentType, version: int, key: str, percent: int) -> bool:
    """Whoever is in at some percent stays in at a higher one; each version draws anew."""
    digest = sha256(f"{kind}:{version}:{key}".encode()).digest()
    return int.from_bytes(digest[:8]) % ALL_RUNS < percent


async def hold(db: AsyncSession, kind: AgentType) -> None:
    """What is in force stays so until the unit of work ends. Raises ConfigMissing."""
    await _held(db, kind)


async def all_active(db: AsyncSession) -> list[Version]:
    return [await shown(db, kind) for kind in AgentType]


async def models_in_force(db: AsyncSession) -> list[str]:
    found = [await in_force(db, kind) for kind in AgentType]
    return [row.model for one in found for row in (one.active, one.candidate) if row is not None]


async def shown(db: AsyncSession, kind: AgentType) -> Version:
    found = await in_force(db, kind)
    return (await _described(db, [found.active], found))[0]


async def one_version(db: AsyncSession, kind: AgentType, version: int) -> Version:
    """For the product itself, which has just made it. Raises ConfigVersionUnknown."""
    rows = await repository.versions(db, kind, {version})
    if not rows:
        raise ConfigVersionUnknown
    return (await _described(db, rows, await in_force(db, kind)))[0]


async def update(
    db: AsyncSession, who: Principal, kind: AgentType, *, values: dict[str, Any], rollout: int = ALL_RUNS
) -> Version:
    """Merge some values into the active version and store the outcome as the next one: active at once, or a candidate
    for `rollout` percent of the runs. A candidate that was there makes way. Raises ConfigInvalid."""
    state = await _held(db, kind)
    base = await active(db, kind)
    return await _add(db, who, state, base, merged(base, values), rollout)


async def move(db: AsyncSession, kind: AgentType, *, rollout: int) -> Version:
    """Give the candidate another share of the runs; all of them make it the active version. Raises CandidateMissing."""
    state = await _held(db, kind)
    if state.candidate_version is None:
        raise CandidateMissing
    version = state.candidate_version
    if rollout == ALL_RUNS:
        state.active_version, state.candidate_version, state.rollout = version, None, 0
    else:
        state.rollout = rollout
    await db.flush()
    found = await in_force(db, kind)
    row = found.active if found.candidate is None else found.candidate
    return (await _described(db, [row], found))[0]


async def roll_back(db: AsyncSession, who: Principal, kind: AgentType, *, version: int) -> Version:
    """A new version with an old one's values, if they can still be used; ends the candidate's part."""
    old = await AiConfigRepository(db, who).version(kind, version)
    state = await _held(db, kind)
    return await _add(db, who, state, await active(db, kind), merged(old, {}), ALL_RUNS)


async def history(
    db: AsyncSession, who: Principal, kind: AgentType, *, cursor: str | None, limit: int
) -> Page[Version]:
    """Newest first, each with what it changed."""
    versions = AiConfigRepository(db, who)
    query = versions.visible().where(AiConfig.agent_type == kind)
    page = await versions.page(query, cursor=cursor, limit=limit)
    found = await repository.in_force(db, kind)
    return Page(await _described(db, page.rows, found) if found else [], page.next_cursor)


def difference(before: ConfigValues | AiConfig, after: ConfigValues | AiConfig) -> Changes:
    """The fields that differ, with both values; long texts also as a unified diff."""
    changes: Changes = {}
    for name in FIELDS:
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            diff = _unified(old, new) if name == _LONG_TEXT else None
            changes[name] = FieldChange(before=old, after=new, diff=diff)
    return changes


def _unified(old: str, new: str) -> str:
    return "\n".join(difflib.unified_diff(old.splitlines(), new.splitlines(), "before", "after", lineterm=""))


async def _held(db: AsyncSession, kind: AgentType) -> AiConfigState:
    """One writer at a time."""
    state = await repository.hold(db, kind)
    if state is None:
        raise ConfigMissing
    return state


async def _add(
    db: AsyncSession, who: Principal, state: AiConfigState, base: AiConfig, values: ConfigValues, rollout: int
) -> Version:
    version = await repository.last_version(db, base.agent_type) + 1
    row = AiConfig(
        agent_type=base.agent_type,
        version=version,
        based_on=base.version,
        author_id=who.user_id,
        **values.model_dump(),
    )
    db.add(row)
    # First the version: the state refers to it.
    await db.flush()
    ended = state.candidate_version
    if rollout == ALL_RUNS:
        state.active_version, state.candidate_version, state.rollout = version, None, 0
    else:
        state.candidate_version, state.rollout = version, rollout
    await db.flush()
    standing: Standing = "active" if rollout == ALL_RUNS else "candidate"
    return Version(row, who.username, difference(base, row), standing, rollout, ended=ended)


async def _described(db: AsyncSession, rows: Sequence[AiConfig], found: InForce) -> list[Version]:
    """Each with its author, what it changed, and whether it is in force."""
    names = await accounts.usernames(db, {row.author_id for row in rows})
    missing = {row.based_on for row in rows if row.based_on is not None} - {row.version for row in rows}
    bases = {row.version: row for row in [*rows, *await repository.versions(db, found.active.agent_type, missing)]}
    candidate = None if found.candidate is None else found.candidate.version
    described = []
    for row in rows:
        standing: Standing = "past"
        percent = 0
        if row.version == found.active.version:
            standing, percent = "active", ALL_RUNS - found.rollout
        elif row.version == candidate:
            standing, percent = "candidate", found.rollout
        described.append(
            Version(
                row,
                None if row.author_id is None else names.get(row.author_id),
                {} if row.based_on is None else difference(bases[row.based_on], row),
                standing,
                percent,
                (candidate, found.rollout) if candidate is not None and standing == "active" else None,
            )
        )
    return described
