"""Conversations on the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from app.core.auth import Principal
from app.core.pagination import Cursor, Limit
from app.core.schemas import Body, In, Out, Text
from app.models.conversation import Escalation, SessionStatus, Speaker, Staleness
from app.models.ticket import Priority

SourceId = Annotated[Text, Field(min_length=1, max_length=200)]
Note = Annotated[Text, Field(min_length=1, max_length=2_000)]
Tag = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^\S+( \S+)?$", description="One or two words.")]


class SessionIn(In, json_schema_extra={"examples": [{"channel": "web"}]}):
    channel: Literal["web", "api"] = "web"


class RecapOut(Out):
    text: str
    until: int = Field(description="The position of the last message it covers.")
    model: str
    config_version: int | None


class SessionOut(Out):
    """`reason` is why it was handed over; `summary` is kept up to date while the conversation goes on."""

    session_id: UUID = Field(validation_alias="id")
    status: SessionStatus
    channel: str
    ticket_id: int | None
    reason: str | None
    summary: str
    recap: RecapOut | None = Field(
        default=None,
        description="What a model makes of all but the last messages; for staff, once the conversation is long.",
    )
    created_at: datetime
    updated_at: datetime
    resolved_at: datetime | None


class SessionQuery(In):
    status: SessionStatus | None = None
    overdue: bool = Field(default=False, description="Only those that a person should have answered by now.")
    cursor: Cursor = None
    limit: Limit = 20


class MessageIn(In, json_schema_extra={"examples": [{"content": "What does E-77 on the printer mean?"}]}):
    content: Body
    source_id: SourceId | None = Field(
        default=None, description="The sender's own name of this message: sent again, it is the same message."
    )


class CitationOut(Out):
    """Characters `start` to `end` of that version's text. `stale` says that it no longer holds as it was sent; what
    was deleted, or may no longer be seen by the customer, is not quoted any more."""

    doc_id: UUID = Field(validation_alias="document_id")
    version: int
    chunk_id: str
    start: int
    end: int
    title: str
    uri: str | None
    quote: str
    sentence: int = Field(description="Which sentence of the answer, from 0.")
    stale: Staleness | None

    @model_validator(mode="after")
    def _unquoted(self) -> Self:
        if self.stale in (Staleness.DELETED, Staleness.NOT_ALLOWED):
            self.quote = ""
        return self


class MessageOut(Out):
    """`reason` is set where the desk says why there is no answer."""

    message_id: UUID
    session_id: UUID
    position: int
    role: Speaker
    content: str
    citations: list[CitationOut]
    reason: str | None
    reply_to: UUID | None
    created_at: datetime


class EscalateIn(In, json_schema_extra={"examples": [{"note": "The customer sounds desperate."}]}):
    event_id: SourceId | None = Field(
        default=None, description="The sender's own name of the cause: sent again, it is the same handover."
    )
    note: Note | None = None


class EscalationOut(Out):
    """What the person who takes over is given. `evidence` holds the question, the passages found and what the gate
    measured, as far as the question got, and for staff the `recap` of a long conversation."""

    session_id: UUID
    ticket_id: int
    reason: str
    note: str | None
    summary: str
    transcript: list[dict[str, Any]]
    evidence: dict[str, Any]
    team: str | None
    priority: Priority
    due_at: datetime
    answered_at: datetime | None = Field(description="When a person first said something after it.")
    breached_at: datetime | None = Field(description="When it was seen that nobody had by the time it was due.")
    created_at: datetime

    @classmethod
    def of(cls, row: Escalation, who: Principal) -> Self:
        """As `who` may see it: a model's recap in the evidence is for the staff."""
        found = cls.model_validate(row)
        if not who.is_staff:
            found.evidence = {name: value for name, value in found.evidence.items() if name != "recap"}
        return found


class ResolveIn(In, json_schema_extra={"examples": [{"resolution": "The fuse was replaced."}]}):
    resolution: Note | None = Field(default=None, description="Left out: the last word of an agent or an answer.")


class CaseOut(Out):
    session_id: UUID
    ticket_id: int | None
    summary: str
    resolution: str | None
    references: list[dict[str, Any]]
    tags: list[Tag]
    doc_id: UUID | None = Field(
        validation_alias="document_id", description="The document by which it is found, once indexed."
    )
    created_at: datetime
