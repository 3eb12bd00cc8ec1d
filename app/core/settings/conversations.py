"""Conversations: how long an answer may take, how they are watched, and when a person is due."""

from typing import Literal

from pydantic import BaseModel, Field


class ConversationSettings(BaseModel):
    answer_seconds: float = Field(default=60.0, gt=0, description="An answer that takes longer is tried again.")
    draft_replies: bool = Field(
        default=False, description="Let the agents draft a reply for staff whenever a conversation is handed over."
    )
    due_hours_critical: float = Field(default=1.0, gt=0, description="Until when a person is to answer, by priority.")
    due_hours_high: float = Field(default=8.0, gt=0)
    due_hours_medium: float = Field(default=24.0, gt=0)
    due_hours_low: float = Field(default=72.0, gt=0)
    heartbeat_seconds: float = Field(default=15.0, gt=0, description="A stream is never silent for longer.")
    memory: Literal["postgres", "dynamodb"] = Field(default="postgres", description="Where context is remembered.")
    memory_days: int = Field(default=90, ge=1, description="After so long DynamoDB forgets a conversation.")
    memory_table: str | None = Field(default=None, description="The DynamoDB table, with `session_id` as its key.")
    recap_every: int = Field(
        default=10, ge=1, le=200, description="A model's summary of a conversation is renewed after so many messages."
    )
    recap_window: int = Field(
        default=10, ge=0, le=200, description="So many of the last messages are not summed up: they are given whole."
    )
    stream_seconds: float = Field(
        default=900.0, gt=0, description="A stream ends after so long; its client comes back with Last-Event-ID."
    )
    streams_per_person: int = Field(default=20, ge=1, description="Open at once in one API process.")
