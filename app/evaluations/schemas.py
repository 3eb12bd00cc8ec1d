"""Evaluation sets and reports on the wire."""

import uuid
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from app.agents.schemas import JsonObject
from app.ai_config.catalogue import AgentType
from app.core.schemas import Body, In, Line, Out, Text

MAX_CASES = 200
MAX_FIELDS = 20

Number = Annotated[float, Field(allow_inf_nan=False)]
Short = Annotated[Text, Field(max_length=1000)]


class Wanted(BaseModel):
    """Of a number: its bounds. Of a text: what must stand in it, whatever the case of its letters."""

    model_config = ConfigDict(extra="forbid")

    min: Number | None = None
    max: Number | None = None
    contains: Annotated[Text, Field(min_length=1, max_length=1000)] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        bounds = self.min is not None or self.max is not None
        if bounds == (self.contains is not None):
            raise ValueError("give min and max, or contains")
        return self


def _form(given: object) -> str:
    if isinstance(given, dict | Wanted):
        return "bounds"
    return "any_of" if isinstance(given, list) else "value"


Value = bool | int | Number | Short | None
Expected = Annotated[
    Annotated[Value, Tag("value")]
    | Annotated[Wanted, Tag("bounds")]
    | Annotated[list[Value], Field(min_length=1, max_length=50), Tag("any_of")],
    # So that a wrong one is told what is wrong with it, and not all that it might have been instead.
    Discriminator(_form),
]


class Case(In):
    """One input, and the fields of the answer that are right. A list names all values that are."""

    name: Line
    input: Body = Field(description="What a person might write.")
    material: JsonObject | None = Field(
        default=None, description="What earlier steps found, for agents that judge it: quality, escalation, learning."
    )
    expected: Annotated[dict[Annotated[str, Field(max_length=100)], Expected], Field(min_length=1, max_length=20)]


class EvaluationSetIn(
    In,
    json_schema_extra={
        "examples": [
            {
                "cases": [
                    {"name": "twice", "input": "I was charged twice in May.", "expected": {"category": ["billing"]}}
                ]
            }
        ]
    },
):
    description: Annotated[Text, Field(max_length=2000)] = ""
    cases: Annotated[list[Case], Field(min_length=1, max_length=MAX_CASES)]

    @model_validator(mode="after")
    def _names_of_their_own(self) -> Self:
        names = [case.name for case in self.cases]
        if len(set(names)) != len(names):
            raise ValueError("cases must have names of their own")
        return self


class EvaluationSetOut(Out):
    agent_type: AgentType
    name: str
    description: str
    version: int = Field(description="Rises with every change.")
    cases: list[Case]
    updated_at: datetime
    updated_by: str | None = Field(description="Null: delivered with the product.")


class EvaluationSetLine(Out):
    name: str
    description: str
    version: int
    cases: int
    updated_at: datetime
    updated_by: str | None


class FieldJudged(BaseModel):
    right: bool
    got: Any


class CaseJudged(BaseModel):
    """What one version made of a case. Its score is the share of the expected fields that are right."""

    score: Annotated[float, Field(ge=0, le=1)]
    fields: dict[str, FieldJudged]
    error: str | None = Field(default=None, description="The run failed, which scores nothing.")
    seconds: float
    cost_usd: float | None


class CaseReport(BaseModel):
    name: str
    input: str
    expected: dict[str, Any]
    active: CaseJudged
    candidate: CaseJudged


class Side(BaseModel):
    version: int | None
    """Null: not stored, because it was refused."""
    score: float | None = Field(description="Mean over the cases; null until they have been run.")
    failed: int = Field(description="Cases whose run failed.")


class EvaluationLine(Out):
    report_id: uuid.UUID
    agent_type: AgentType
    evaluation_set: str
    set_version: int
    status: Literal["queued", "running", "accepted", "refused", "failed"]
    margin: float
    rollout: int
    changes: list[str] = Field(description="The fields that the proposed version sets; empty: the candidate's own.")
    active: Side
    candidate: Side
    error: str | None
    created_at: datetime
    finished_at: datetime | None
    created_by: str | None


class EvaluationOut(EvaluationLine):
    proposed: dict[str, Any] = Field(description="The configuration that was judged.")
    cases: list[CaseReport]


class EvaluationAccepted(Out):
    """The evaluation goes on; `Location` says where to look."""

    report_id: uuid.UUID
    status: str
