"""What the specialised agents must answer. Their answers are stored with the case and shown to staff."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from app.agents.schemas import Alternative
from app.core.schemas import RowId, Slug
from app.models.learning import ExampleField
from app.models.ticket import Priority

Share = Annotated[float, Field(ge=0, le=1)]
Told = Annotated[str, Field(max_length=10_000)]
TicketType = Literal["BUG", "FEATURE", "SUPPORT", "INCIDENT"]


class ContextResult(BaseModel):
    """What is known of the person and the ticket."""

    summary: Told
    customer_known: bool
    vip: bool
    tier: Annotated[str, Field(max_length=50)] | None = None
    tickets_total: int = Field(ge=0)
    tickets_open: int = Field(ge=0)
    same_problem: Annotated[list[RowId], Field(max_length=20)]
    language: Annotated[str, Field(max_length=10)] | None = None
    sentiment: Literal["negative", "neutral", "positive"] | None = None


class TriageResult(BaseModel):
    type: TicketType
    priority: Priority
    confidence: Share
    reasoning: Told


class Term(BaseModel):
    name: Annotated[str, Field(max_length=50)]
    points: float
    evidence: Annotated[str, Field(max_length=500)]


class RoutingResult(BaseModel):
    category: Slug
    priority: Priority
    team: Slug
    confidence: Share
    reasoning: Told
    alternatives: Annotated[list[Alternative], Field(max_length=20)]
    entities: dict[str, Any] = Field(default_factory=dict)
    priority_terms: Annotated[list[Term], Field(max_length=30)]
    weights_version: int | None = None


class Citation(BaseModel):
    """A piece of what a tool returned, word for word."""

    ticket_id: RowId | None = None
    doc_id: UUID | None = None
    version: int | None = None
    chunk_id: UUID | None = None
    title: Annotated[str, Field(max_length=300)]
    quote: Annotated[str, Field(min_length=1, max_length=2_000)]


class ReplyResult(BaseModel):
    """A draft for a person to approve. `abstained`: there was no evidence, so there is no draft."""

    abstained: bool
    body: Told
    citations: Annotated[list[Citation], Field(max_length=20)]
    confidence: Share
    missing: Told = ""


class PassageQuote(BaseModel):
    """Words of a passage that was given, exactly as they stand in it."""

    passage: Annotated[str, Field(max_length=20)]
    quote: Annotated[str, Field(min_length=1, max_length=2_000)]


class DraftSentence(BaseModel):
    text: Annotated[str, Field(min_length=1, max_length=2_000)]
    citations: Annotated[list[PassageQuote], Field(max_length=10)]


class GroundedDraft(BaseModel):
    """Sentences that the given passages say; none where they do not answer the question."""

    sentences: Annotated[list[DraftSentence], Field(max_length=30)]


class ClaimSupport(BaseModel):
    number: Annotated[int, Field(ge=0, le=100)]
    support: Share


class EntailmentResult(BaseModel):
    """How far each of the claims that were given follows from its quotes."""

    claims: Annotated[list[ClaimSupport], Field(max_length=100)]


class SummaryResult(BaseModel):
    """What a conversation was about so far, for whoever goes on with it."""

    summary: Annotated[str, Field(min_length=1, max_length=4_000)]


class QualityResult(BaseModel):
    verdict: Literal["pass", "revise", "reject"]
    has_solution: bool
    relevant: bool
    complete: bool
    tone_ok: bool
    score: Share
    reasons: Annotated[list[Told], Field(min_length=1, max_length=20)]


class EscalationResult(BaseModel):
    escalate: bool
    level: Literal["none", "team", "supervisor", "on_call"]
    team: Slug
    reasons: Annotated[list[Told], Field(max_length=20)]
    report: Told
    confidence: Share


class Example(BaseModel):
    field: ExampleField
    label: Annotated[str, Field(min_length=1, max_length=100)]


class LearningResult(BaseModel):
    """Which of the labels that a person gave are worth learning from this text."""

    examples: Annotated[list[Example], Field(max_length=10)]
    lesson: Told


class FileFindings(BaseModel):
    file_analysis_summary: Annotated[str, Field(max_length=20_000)] = ""
