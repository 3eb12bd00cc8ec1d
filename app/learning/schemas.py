"""The classifier on the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from app.core.schemas import WHOLE, In, Out


class Bin(Out):
    """Of a reliability curve: how often answers of about this confidence were right."""

    least: float
    most: float
    count: int
    confidence: float
    accuracy: float


class Quality(Out):
    """By cross-validation: no example is judged by a model that has seen it."""

    folds: int
    accuracy: float
    macro_f1: float
    ece: float = Field(description="Expected calibration error: mean gap between confidence and accuracy.")
    threshold: float | None = Field(
        description="Confidence from which on surely nine of ten answers are right; null: there is none. Of reports "
        "below it nothing is told, unless `/ai-config/abstention` says otherwise."
    )
    coverage_at_90: float = Field(description="Share of the answers that reach it.")
    selective_accuracy: float | None = Field(description="How many of those are right; null: none reaches it.")
    abstained: float = Field(description="Share of the texts of which nothing would be said for sure.")
    reliability: list[Bin]


class HeldOut(Out):
    """Judgements of people that no version is ever trained on."""

    count: int
    accuracy: float | None = Field(description="Null: there was nothing to judge by.")
    active_accuracy: float | None = Field(description="Of the version that was active then, on the same.")
    active_version: int
    coverage_at_90: float | None = Field(default=None, description="Share of them that reaches the threshold.")
    selective_accuracy: float | None = Field(
        default=None, description="How many of those are right; null: none reaches it."
    )


class HeadLine(Out):
    version: int = Field(description="0: delivered with the product.")
    status: Literal["training", "active", "ready", "refused", "failed"]
    reason: str | None
    accuracy: float | None
    macro_f1: float | None
    ece: float | None
    created_at: datetime | None
    created_by: str | None = Field(description="Null: the desk itself.")
    finished_at: datetime | None


class HeadOut(HeadLine):
    """A version of the classifier, what it learned from, and how good it is."""

    labels: list[str]
    examples: dict[str, int] = Field(description="How many it learned from: delivered, and given by people.")
    left_out: dict[str, int] = Field(description="Labels met too seldom to learn.")
    cross_validation: Quality | None
    judgements: Quality | None = Field(
        default=None, description="The same of people's judgements alone, for which the threshold is to hold."
    )
    held_out: HeldOut | None
    libraries: dict[str, Any]


class HeadAccepted(Out):
    version: int
    status: str


class HeadRollbackIn(In, json_schema_extra={"examples": [{"version": 0}]}):
    version: Annotated[int, Field(ge=0, le=2**31 - 1, description="0: as delivered."), WHOLE]
