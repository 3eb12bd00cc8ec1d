"""Versions of each agent's configuration. A version is never edited: every change, a rollback too, is a new one.

Runs read the active version when they start, so a change is in force for the next run in every process.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.ai_config import repository
from app.ai_config.catalogue import POLICIES, AgentType
from app.ai_config.errors import AgentTypeUnknown, ConfigInvalid, ConfigMissing
from app.ai_config.repository import AiConfigRepository
from app.ai_config.schemas import Changes, ConfigValues, FieldChange
from app.core.auth import Principal
from app.core.pagination import Page
from app.core.settings import Settings
from app.inference.errors import UnknownModel
from app.inference.registry import check_name
from app.models.agent import AiConfig

FIELDS = tuple(ConfigValues.model_fields)
_LONG_TEXT = "system_prompt"

DEFAULT_TEMPERATURE = 0.2
DEFAULT_MAX_TOKENS = 4096
DEFAULT_TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Version:
    """A stored version with its author's name, and what it changed."""

    row: AiConfig
    author: str | None
    changes: Changes


def agent_type(name: str) -> AgentType:
    """Raises AgentTypeUnknown."""
    try:
        return AgentType(name)
    except ValueError:
        raise AgentTypeUnknown from None


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


async def active(db: AsyncSession, kind: AgentType) -> AiConfig:
    """Raises ConfigMissing when the defaults were never stored."""
    row = await repository.newest(db, kind)
    if row is None:
        raise ConfigMissing
    return row


async def all_active(db: AsyncSession) -> list[Version]:
    return await _with_authors(db, [await active(db, kind) for kind in AgentType])


async def shown(db: AsyncSession, kind: AgentType) -> Version:
    return (await _with_authors(db, [await active(db, kind)]))[0]


async def update(db: AsyncSession, who: Principal, kind: AgentType, *, values: dict[str, Any]) -> Version:
    """Merge some values into the active version and store the outcome as the next one. Raises ConfigInvalid."""
    await repository.hold(db, kind)
    base = await active(db, kind)
    return await _add(db, who, base, merged(base, values))


async def roll_back(db: AsyncSession, who: Principal, kind: AgentType, *, version: int) -> Version:
    """A new version with an old one's values, if they can still be used."""
    old = await AiConfigRepository(db, who).version(kind, version)
    await repository.hold(db, kind)
    return await _add(db, who, await active(db, kind), merged(old, {}))


async def history(
    db: AsyncSession, who: Principal, kind: AgentType, *, cursor: str | None, limit: int
) -> Page[Version]:
    """Newest first, each with what it changed."""
    versions = AiConfigRepository(db, who)
    query = versions.visible().where(AiConfig.agent_type == kind)
    page = await versions.page(query, cursor=cursor, limit=limit)
    rows = list(page.rows)
    if rows and rows[-1].version > 1:
        # The page's oldest is compared with one that is not shown on it.
        rows.append(await versions.version(kind, rows[-1].version - 1))
    return Page((await _with_authors(db, rows))[: len(page.rows)], page.next_cursor)


def merged(base: AiConfig, values: dict[str, Any]) -> ConfigValues:
    """The base with some values replaced; raises ConfigInvalid if an agent of its type could not run with them.

    A model whose credentials are missing is accepted: they may be there on the machines that run it, or tomorrow.
    """
    candidate = ConfigValues.model_validate({name: getattr(base, name) for name in FIELDS} | values)
    policy = POLICIES[AgentType(base.agent_type)]
    chosen = candidate.tools_enabled
    if len(set(chosen)) != len(chosen):
        raise ConfigInvalid("tools_enabled: names a tool twice.")
    if foreign := sorted(set(chosen) - policy.allowed):
        allowed = ", ".join(sorted(policy.allowed))
        raise ConfigInvalid(f"tools_enabled: {base.agent_type} cannot use {', '.join(foreign)}; it may use: {allowed}.")
    if missing := sorted(policy.required - set(chosen)):
        raise ConfigInvalid(f"tools_enabled: {base.agent_type} cannot do its work without {', '.join(missing)}.")
    try:
        check_name(candidate.model)
    except UnknownModel as error:
        raise ConfigInvalid(f"model: {error.detail}") from error
    return candidate


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


async def _add(db: AsyncSession, who: Principal, base: AiConfig, values: ConfigValues) -> Version:
    row = AiConfig(agent_type=base.agent_type, version=base.version + 1, author_id=who.user_id, **values.model_dump())
    db.add(row)
    await db.flush()
    return Version(row, who.username, difference(base, row))


async def _with_authors(db: AsyncSession, rows: Sequence[AiConfig]) -> list[Version]:
    """Each with its author, compared with the next in the list where that is its predecessor."""
    names = await repository.usernames(db, {row.author_id for row in rows if row.author_id is not None})
    predecessors = {(row.agent_type, row.version): row for row in rows}
    versions = []
    for row in rows:
        before = predecessors.get((row.agent_type, row.version - 1))
        author = None if row.author_id is None else names.get(row.author_id)
        versions.append(Version(row, author, {} if before is None else difference(before, row)))
    return versions
