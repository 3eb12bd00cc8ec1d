"""Resolutions, decisions and drafts on the wire, and what a person says about them. For staff only."""

import uuid
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from app.agents.results import TicketType
from app.core.schemas import WHOLE, Body, In, Out, Slug, Text
from app.models.resolution import DecisionStatus, DraftStatus, ResolutionStatus, SyncStatus
from app.models.ticket import Priority

Rating = Annotated[int, Field(ge=1, le=5, description="1 is useless, 5 is perfect."), WHOLE]
Note = Annotated[Text, Field(max_length=2_000)]


class StepOut(Out):
    position: int
    operation: str
    run_id: uuid.UUID
    result: dict[str, Any] | None
    created_at: datetime
    finished_at: datetime | None


class ResolutionOut(Out):
    """`progress` is the share of the chain that is done; each step's run shows its tool calls."""

    resolution_id: uuid.UUID
    ticket_id: int
    status: ResolutionStatus
    progress: float
    steps: list[StepOut]
    decision_id: int | None
    draft_id: int | None
    error: str | None
    created_at: datetime
    finished_at: datetime | None


class DecisionOut(Out):
    id: int
    ticket_id: int
    run_id: uuid.UUID
    resolution_id: uuid.UUID
    type: TicketType | None
    category: str
    priority: Priority
    team: str
    confidence: float
    reasoning: str
    alternatives: list[Any]
    entities: dict[str, Any]
    priority_terms: list[Any]
    weights_version: int | None = Field(description="Of the weights in the priority; 0: as delivered.")
    tool_calls: list[Any]
    processing_seconds: float
    model: str
    config_version: int
    correlation_id: str | None
    requires_manual_review: bool
    review_reasons: list[Any]
    status: DecisionStatus
    sync_status: SyncStatus
    reviewed_by: int | None
    reviewed_at: datetime | None
    corrections: dict[str, Any] | None
    rating: int | None
    note: str | None
    created_at: datetime


class DraftOut(Out):
    id: int
    ticket_id: int
    resolution_id: uuid.UUID
    body: str
    citations: list[Any]
    confidence: float
    quality: dict[str, Any]
    status: DraftStatus
    final_body: str | None
    comment_id: int | None
    reviewed_by: int | None
    reviewed_at: datetime | None
    rating: int | None
    note: str | None
    created_at: datetime


class ReviewIn(In, json_schema_extra={"examples": [{"rating": 5}]}):
    rating: Rating | None = None
    note: Note | None = None


class CorrectionIn(ReviewIn, json_schema_extra={"examples": [{"team": "billing", "note": "It is about a refund."}]}):
    category: Slug | None = None
    priority: Priority | None = None
    team: Slug | None = None
    type: TicketType | None = None

    @model_validator(mode="after")
    def _say_something(self) -> Self:
        if not self.labels():
            raise ValueError("give at least one of category, priority, team and type")
        return self

    def labels(self) -> dict[str, str]:
        given = self.model_dump(mode="json", include={"category", "priority", "team", "type"}, exclude_none=True)
        return {name: str(value) for name, value in given.items()}


class EditedIn(ReviewIn, json_schema_extra={"examples": [{"body": "Please restart the print server."}]}):
    body: Body
