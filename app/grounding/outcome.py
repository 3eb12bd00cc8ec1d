"""What comes of a question: an answer whose every sentence names its sources, or a refusal with its reason."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from app.knowledge.schemas import Evidence


class Reason(StrEnum):
    """Why there is no answer. The first six are this room's; the last two are the conversation's."""

    NO_EVIDENCE = "no_evidence"
    INSUFFICIENT_COVERAGE = "insufficient_coverage"
    CONFLICTING_SOURCES = "conflicting_sources"
    MISSING_CITATIONS = "missing_citations"
    UNSUPPORTED_CLAIM = "unsupported_claim"
    LLM_ERROR = "llm_error"
    POLICY = "policy"
    CUSTOMER_REQUEST = "customer_request"


SUMMARY = "summary"


@dataclass(frozen=True, slots=True)
class Turn:
    """What was said before: `role` is customer, assistant or agent; of the first one it may be SUMMARY, which stands
    for what lies before the others."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Citation:
    """Characters `start` to `end` of that version of a document; `quote` is what stands there."""

    document_id: UUID
    version: int
    chunk_id: UUID
    start: int
    end: int
    title: str
    uri: str | None
    quote: str


@dataclass(frozen=True, slots=True)
class Sentence:
    text: str
    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two passages that say different things of one matter: `kind` is number, version, date or negation."""

    kind: str
    one: str
    other: str


@dataclass(frozen=True, slots=True)
class Signals:
    """What the evaluator measured. Shares are 0 to 1; None where there was no draft to measure."""

    confidence: float
    """The calibrated chance that the documents cited, or else the likeliest one, are the right ones."""
    meaning: float
    """Cosine of the question and the best document's nearest passage."""
    words: float
    """BM25 of its best passage, as a share of the most that the question could reach."""
    margin: float
    """By how much the likeliest document's chance is ahead of the next one's."""
    coverage: float
    """Share of what the question is about, by weight, that the cited documents say."""
    missing: tuple[str, ...]
    """Error codes and versions of the question that the cited documents do not say."""
    lacking: tuple[str, ...]
    """Error codes and the like in its first sentence, where the cited documents name others of their kind."""
    conflicts: tuple[Conflict, ...]
    cited: float | None
    """Share of the draft's sentences that have a citation which stands as quoted."""
    support: float | None
    """How well the least supported sentence follows from what it cites."""
    model_error: str | None = None
    """What failed, by its kind alone."""


@dataclass(frozen=True, slots=True)
class Answer:
    sentences: tuple[Sentence, ...]
    signals: Signals
    evidence: tuple[Evidence, ...]
    model: str
    thresholds_version: int

    @property
    def text(self) -> str:
        return "\n".join(sentence.text for sentence in self.sentences)


@dataclass(frozen=True, slots=True)
class Refusal:
    """`signals` is None when it did not come to measuring."""

    reason: Reason
    signals: Signals | None
    evidence: tuple[Evidence, ...]
    model: str
    thresholds_version: int
