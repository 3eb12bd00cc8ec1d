"""Agent configurations in versions, and the runs made with them, from which a decision can be explained."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    Numeric,
    String,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified, Numbered, Stamped, one_of


class RunStatus(StrEnum):
    QUEUED = "queued"
    WAITING = "waiting_for_files"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


class AiConfig(Numbered, Stamped, Base):
    """A version of an agent's configuration; rows are only ever added."""

    __tablename__ = "ai_configs"
    __table_args__ = (
        UniqueConstraint("agent_type", "version"),
        CheckConstraint("temperature BETWEEN 0 AND 2", name="temperature_range"),
        CheckConstraint("max_tokens > 0", name="max_tokens_positive"),
        CheckConstraint("timeout > 0", name="timeout_positive"),
    )

    agent_type: Mapped[str] = mapped_column(String(50))
    version: Mapped[int]
    model: Mapped[str] = mapped_column(String(200))
    temperature: Mapped[float]
    max_tokens: Mapped[int]
    timeout: Mapped[float]
    system_prompt: Mapped[str] = mapped_column(Text)
    tools_enabled: Mapped[list[str]] = mapped_column(ARRAY(Text))
    based_on: Mapped[int | None]
    """The version that was active when this one was made from it."""
    author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))


class AiConfigState(Base):
    """Which versions of an agent's configuration are in force; whoever changes that holds the row."""

    __tablename__ = "ai_config_states"
    __table_args__ = (
        CheckConstraint("rollout BETWEEN 0 AND 99", name="rollout_percent"),
        CheckConstraint("(candidate_version IS NULL) = (rollout = 0)", name="candidate_has_rollout"),
        CheckConstraint("candidate_version <> active_version", name="candidate_differs"),
        ForeignKeyConstraint(["agent_type", "active_version"], ["ai_configs.agent_type", "ai_configs.version"]),
        ForeignKeyConstraint(["agent_type", "candidate_version"], ["ai_configs.agent_type", "ai_configs.version"]),
    )

    agent_type: Mapped[str] = mapped_column(String(50), primary_key=True)
    active_version: Mapped[int]
    candidate_version: Mapped[int | None]
    rollout: Mapped[int] = mapped_column(default=0, server_default="0")


class AgentRun(Identified, Stamped, Base):
    __tablename__ = "agent_runs"
    __table_args__ = (
        one_of("status", RunStatus),
        Index("ix_agent_runs_user_id_id", "user_id", "id"),
        Index("ix_agent_runs_status", "status"),
        UniqueConstraint("user_id", "idempotency_key"),
    )

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("jobs.id"), unique=True)
    operation: Mapped[str] = mapped_column(String(50))
    agent_type: Mapped[str] = mapped_column(String(50))
    status: Mapped[str] = mapped_column(String(20), default=RunStatus.QUEUED)
    # The desk's own work, in the name of the person it is for: staff see it, that person does not.
    internal: Mapped[bool] = mapped_column(default=False, server_default=false())
    request: Mapped[dict[str, Any]] = mapped_column(JSONB)
    scopes: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    idempotency_key: Mapped[str | None] = mapped_column(String(255))
    fingerprint: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    error: Mapped[str | None] = mapped_column(Text)
    # Unique: a run creates one ticket at most, however often its worker is killed.
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("tickets.id"), unique=True)
    model: Mapped[str | None] = mapped_column(String(200))
    config_version: Mapped[int | None]
    input_tokens: Mapped[int] = mapped_column(default=0)
    output_tokens: Mapped[int] = mapped_column(default=0)
    cost_usd: Mapped[float] = mapped_column(Numeric(12, 6, asdecimal=False), default=0)
    unpriced_calls: Mapped[int] = mapped_column(default=0, server_default="0")
    answered_by: Mapped[str | None] = mapped_column(String(200))
    hidden: Mapped[dict[str, int] | None] = mapped_column(JSONB)
    removed: Mapped[dict[str, int] | None] = mapped_column(JSONB)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class AgentBatch(Identified, Stamped, Base):
    """One operation on many tickets, `parallelism` of them at a time. How far it is, its items' runs say."""

    __tablename__ = "agent_batches"
    __table_args__ = (CheckConstraint("parallelism > 0", name="parallelism_positive"),)

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    operation: Mapped[str] = mapped_column(String(50))
    parallelism: Mapped[int]
    scopes: Mapped[list[str] | None] = mapped_column(ARRAY(Text))


class AgentBatchItem(Base):
    """A ticket's place in a batch, with its words as they were then; without a run it has not been started."""

    __tablename__ = "agent_batch_items"

    batch_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("agent_batches.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id"))
    words: Mapped[str] = mapped_column(Text)
    run_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("agent_runs.id"), unique=True)


class AgentToolCall(Numbered, Stamped, Base):
    __tablename__ = "agent_tool_calls"
    __table_args__ = (Index("uq_agent_tool_calls_run_id_position", "run_id", "position", unique=True),)

    run_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("agent_runs.id", ondelete="CASCADE"))
    position: Mapped[int]
    tool: Mapped[str] = mapped_column(String(100))
    arguments: Mapped[dict[str, Any]] = mapped_column(JSONB)
    result: Mapped[Any] = mapped_column(JSONB)
    failed: Mapped[bool] = mapped_column(default=False)
    seconds: Mapped[float] = mapped_column(default=0.0)
