"""What may be asked of the agents, what they must answer, and how a run is shown."""

import math
import uuid
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, RootModel

from app.core.schemas import WHOLE, Body, GivenId, In, Line, Out, Slug
from app.inference.operations import Operation
from app.models.ticket import Priority

MAX_FILES = 20
MAX_HISTORY = 100
MAX_CONTEXT_DEPTH = 32
MAX_CONTEXT_ITEMS = 5_000
MAX_CONTEXT_CHARS = 100_000


def _storable(document: dict[str, Any]) -> dict[str, Any]:
    """Any JSON is welcome as context, but for what JSONB and other systems cannot hold, and within bounds."""
    left: list[tuple[Any, int]] = [(document, 0)]
    items = chars = 0
    while left:
        value, depth = left.pop()
        items += 1
        if isinstance(value, dict):
            left.extend((part, depth + 1) for pair in value.items() for part in pair)
        elif isinstance(value, list):
            left.extend((part, depth + 1) for part in value)
        elif isinstance(value, str):
            chars += len(value)
            if "\x00" in value or any("\ud800" <= char <= "\udfff" for char in value):
                raise ValueError("must not contain NUL characters or halves of characters")
        elif isinstance(value, float) and not math.isfinite(value):
            raise ValueError("must not contain numbers that are not finite")
        elif isinstance(value, int):
            chars += value.bit_length() // 3
        if depth > MAX_CONTEXT_DEPTH or items > MAX_CONTEXT_ITEMS or chars > MAX_CONTEXT_CHARS:
            raise ValueError("is too deep or too large")
    return document


def _distinct(files: list[uuid.UUID]) -> list[uuid.UUID]:
    return list(dict.fromkeys(files))


JsonObject = Annotated[dict[str, Any], AfterValidator(_storable)]
Files = Annotated[list[uuid.UUID], Field(max_length=MAX_FILES), AfterValidator(_distinct)]


class SaidBefore(In):
    role: Literal["customer", "user", "assistant", "agent", "system"]
    content: Body


class CreateTicketIn(
    In, json_schema_extra={"examples": [{"user_input": "Checkout fails with ERR_PAYMENT_504 since nine."}]}
):
    """A report in the person's own words, with what they attached and where they were."""

    user_input: Body
    files: Files = Field(default_factory=list)
    page_context: JsonObject | None = None
    conversation_history: Annotated[list[SaidBefore], Field(max_length=MAX_HISTORY)] = Field(default_factory=list)
    integration: Slug | None = None


class CategorizeIn(In, json_schema_extra={"examples": [{"description": "I was charged twice for March."}]}):
    description: Body
    title: Line | None = None


class AnalyzeFilesIn(In):
    files: Annotated[Files, Field(min_length=1)]


class Evidence(BaseModel):
    """What a decision rests on: words quoted as they stand in their source."""

    source: Literal["text", "conversation", "page", "ocr", "transcript", "document", "file", "ticket"]
    file_id: uuid.UUID | None = None
    filename: str | None = None
    ticket_id: int | None = None
    quote: str = Field(max_length=2_000)
    confidence: float | None = Field(
        default=None, ge=0, le=1, description="How surely the words were recognised; null where they were typed."
    )


class TicketDraftResult(BaseModel):
    """What the support agent answers; `ticket_id` is what the tool create_ticket returned."""

    ticket_id: GivenId | None = None
    title: Line
    description: Body
    category: Slug
    priority: Priority
    team: Slug
    tags: Annotated[list[str], Field(max_length=20)]
    confidence: float = Field(ge=0, le=1)
    file_analysis_summary: str = Field(default="", max_length=20_000)
    recommended_integration: str | None = Field(default=None, max_length=50)
    next_actions: Annotated[list[str], Field(max_length=20)]
    evidence: Annotated[list[Evidence], Field(max_length=100)]


class CheckedEvidence(Evidence):
    verified: bool = Field(description="The quote was found in its source, word for word.")


class SettledTicket(TicketDraftResult):
    """The answer after the desk has looked at it: fields as they stand on the ticket, quotes looked up."""

    evidence: list[CheckedEvidence]  # type: ignore[assignment] # narrower than what a model answers


class Alternative(BaseModel):
    category: Slug
    confidence: float = Field(ge=0, le=1)


class CategorizationResult(BaseModel):
    category: Slug
    priority: Priority
    team: Slug
    confidence: float = Field(ge=0, le=1)
    reasoning: str = Field(max_length=10_000)
    alternatives: Annotated[list[Alternative], Field(max_length=20)]


class CreateTicketOut(SettledTicket):
    run_id: uuid.UUID
    ticket_id: GivenId


class CategorizeOut(CategorizationResult):
    run_id: uuid.UUID


class FileAnalysis(Out):
    file_id: uuid.UUID
    filename: str
    processing_status: str
    analysis_type: str | None
    extracted_text: str | None
    confidence: float | None
    metadata: dict[str, Any]
    error: str | None


class FileAnalyses(RootModel[list[FileAnalysis]]):
    """In the order asked for."""


class RunAccepted(Out):
    """The run goes on; `Location` says where to look."""

    run_id: uuid.UUID
    status: str


class ToolCallOut(Out):
    position: int
    tool: str
    arguments: dict[str, Any]
    result: Any
    failed: bool
    seconds: float


class ModelCallOut(Out):
    """A request to a model, or one that was not made, and why."""

    attempt: int = Field(description="Of the run.")
    model: str
    provider: str
    outcome: str = Field(description="answered, failed, or skipped.")
    reason: str | None
    status: int | None
    from_cache: bool
    seconds: float
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_usd: float | None


class RunOut(Out):
    run_id: uuid.UUID
    operation: str
    agent_type: str
    status: str
    model: str | None
    config_version: int | None
    ticket_id: int | None
    result: dict[str, Any] | None
    error: str | None
    attempts: int
    tool_calls: list[ToolCallOut]
    model_calls: list[ModelCallOut]
    answered_by: str | None = Field(description="The model that gave the last answer; `model` is the configured one.")
    hidden: dict[str, int] = Field(description="What remote models did not see, by kind: each value once.")
    removed: dict[str, int] = Field(description="What was taken out of answers: links and secrets.")
    input_tokens: int
    output_tokens: int
    cost_usd: float | None = Field(description="Null: the cost of some call is not known.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    seconds: float | None = Field(description="From the start of the last attempt to the end.")


class TrialCall(Out):
    tool: str
    arguments: dict[str, Any]
    result: Any
    failed: bool
    seconds: float


class TrialRun(Out):
    """What one configuration made of an input. Nothing of it is kept, and no tool that changes anything was offered."""

    version: int | None = Field(description="Null: the candidate, which has none.")
    model: str
    status: Literal["completed", "failed"]
    result: dict[str, Any] | None
    error: str | None
    tool_calls: list[TrialCall]
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    seconds: float


class TrialOut(Out):
    agent_type: str
    candidate: TrialRun
    active: TrialRun
    notes: list[str] = Field(description="What of the candidate changes nothing, and why.")


class ToolTokenIn(In):
    tools: Annotated[list[str], Field(max_length=100)] | None = Field(
        default=None, description="Names of tools; left out: all there are."
    )


class ToolTokenOut(Out):
    """`access_token` opens the tool server to any MCP client, as a bearer token, for `expires_in` seconds."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the scheme's name
    expires_in: int
    mcp_url: str
    tools: list[str]


class BatchIn(In, json_schema_extra={"examples": [{"operation": "categorize", "tickets": [1, 2], "parallelism": 2}]}):
    operation: Operation
    tickets: Annotated[
        list[GivenId], Field(min_length=1, max_length=500), AfterValidator(lambda ids: list(dict.fromkeys(ids)))
    ]
    parallelism: Annotated[int, Field(ge=1, le=32, description="Runs at the same time."), WHOLE] = 4


class BatchItemOut(Out):
    ticket_id: int
    run_id: uuid.UUID | None
    status: str = Field(description="pending, or that of its run.")
    result: dict[str, Any] | None
    error: str | None


class BatchOut(Out):
    """How far a batch is. Nothing of it changes a ticket."""

    batch_id: uuid.UUID
    operation: str
    status: Literal["running", "completed"] = Field(description="completed: every run has ended, well or not.")
    total: int
    pending: int
    running: int
    completed: int
    failed: int
    created_at: datetime
    items: list[BatchItemOut]
