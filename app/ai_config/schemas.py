"""A configuration on the wire: what an administrator may set, and what is shown of each version."""

import uuid
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.ai_config.abstention import Abstention, Confidence
from app.core.schemas import WHOLE, Body, In, Out, Slug, Text
from app.inference.local.priority_weights import MOST_CATEGORIES, Points, PriorityWeights, Score, Weight
from app.versions.schemas import ValueChanges, VersionOut

MAX_OUTPUT_TOKENS = 200_000
MAX_TIMEOUT_SECONDS = 900
DEFAULT_MARGIN = 0.02

ModelName = Annotated[Text, Field(min_length=1, max_length=200, description='"local", or "<provider>:<model>".')]
Temperature = Annotated[float, Field(strict=True, ge=0, le=2, allow_inf_nan=False)]
MaxTokens = Annotated[int, Field(strict=True, ge=1, le=MAX_OUTPUT_TOKENS, description="Of one answer of the model.")]
Timeout = Annotated[
    float, Field(strict=True, gt=0, le=MAX_TIMEOUT_SECONDS, allow_inf_nan=False, description="Seconds for a whole run.")
]
Prompt = Annotated[
    Body, Field(description="May hold {{company}}, {{categories}}, {{teams}}, {{priorities}}, {{tools}}, {{today}}.")
]
Rollout = Annotated[
    int,
    Field(strict=True, ge=1, le=100, description="Percent of the runs that get the new version; 100: it is active."),
]
ToolNames = Annotated[list[Annotated[str, Field(max_length=100)]], Field(max_length=100)]


class ConfigValues(BaseModel):
    """All that a version holds."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)

    model: ModelName
    temperature: Temperature
    max_tokens: MaxTokens
    timeout: Timeout
    system_prompt: Prompt
    tools_enabled: ToolNames


class ConfigChanges(In, json_schema_extra={"examples": [{"temperature": 0.2}]}):
    """Some of a version's values; those left out stay as they are."""

    model: ModelName | None = None
    temperature: Temperature | None = None
    max_tokens: MaxTokens | None = None
    timeout: Timeout | None = None
    system_prompt: Prompt | None = None
    tools_enabled: ToolNames | None = None

    def given(self) -> dict[str, Any]:
        """The values alone."""
        return self.model_dump(include=self.model_fields_set & set(ConfigValues.model_fields))

    @model_validator(mode="after")
    def _say_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("give at least one field to change")
        if empty := sorted(name for name in self.model_fields_set if getattr(self, name) is None):
            raise ValueError(f"{', '.join(empty)} must not be null")
        return self


class ConfigUpdate(ConfigChanges, json_schema_extra={"examples": [{"temperature": 0.2, "rollout": 10, "gate": False}]}):
    """`rollout` alone gives the candidate that is there another share."""

    rollout: Rollout | None = None
    gate: Annotated[bool, Field(strict=True)] = Field(
        default=False, description="Let the new version in only if it is not worse than the active one."
    )
    evaluation_set: Slug = Field(default="default", description="Of this agent: the cases the gate judges by.")
    margin: Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)] = Field(
        default=DEFAULT_MARGIN, description="How much lower the new version's score (0..1) may be."
    )

    @model_validator(mode="after")
    def _change_something(self) -> Self:
        if not self.given() and self.rollout is None:
            raise ValueError("give at least one field to change, or a rollout")
        return self


class GateOut(Out):
    report_id: uuid.UUID
    active_score: float
    candidate_score: float


class CandidateOut(Out):
    version: int
    rollout: int = Field(description="Percent of the runs.")


class ConfigOut(ConfigValues):
    agent_type: str
    version: int
    updated_at: datetime
    updated_by: str | None = Field(description="Null: the version that the product was delivered with.")
    candidate: CandidateOut | None = Field(default=None, description="There while a version is being rolled out.")


class FieldChange(Out):
    before: Any
    after: Any
    diff: str | None = Field(default=None, description="Of long texts: a unified diff.")


Changes = dict[str, FieldChange]


class ConfigUpdated(Out):
    agent_type: str
    status: Literal["updated", "candidate"] = Field(
        description="candidate: for `rollout` percent of the runs, beside the active version."
    )
    version: int
    changes: Changes
    rollout: int | None = Field(default=None, description="There for a candidate: percent of the runs.")
    ended_candidate: int | None = Field(default=None, description="There if this version ended a candidate's part.")
    gate: GateOut | None = Field(default=None, description="There if a gate was asked for: how it proved itself.")


class ConfigVersionOut(ConfigOut):
    changes: Changes = Field(description="From the version that it was made from, `based_on`; empty for the first.")
    based_on: int | None
    status: Literal["active", "candidate", "past"]
    rollout: int = Field(description="Percent of the runs that it takes now.")


class RollbackIn(In, json_schema_extra={"examples": [{"version": 1}]}):
    version: Annotated[int, Field(ge=1, le=2**31 - 1), WHOLE]


class TrialIn(
    In, json_schema_extra={"examples": [{"config": {"temperature": 0.2}, "input": "The printer on floor 3 says E-77."}]}
):
    config: ConfigChanges
    input: Body = Field(description="What a person might write.")


class PriorityBands(In):
    medium: Score
    high: Score
    critical: Score


class PriorityWeightChanges(ValueChanges, json_schema_extra={"examples": [{"vip": 20}]}):
    """Values to replace; null puts the delivered one back. Those left out stay as they are."""

    base: Score | None = None
    bands: PriorityBands | None = None
    category: Weight | None = None
    severity: Weight | None = None
    outage: Weight | None = None
    scope: Weight | None = None
    deadline: Weight | None = None
    sentiment: Weight | None = None
    repeat: Weight | None = None
    relief: Weight | None = None
    vip: Weight | None = None
    active_outage: Weight | None = None
    repeated_contact: Weight | None = None
    categories: Annotated[dict[Slug, Points], Field(max_length=MOST_CATEGORIES)] | None = None


class PriorityWeightsOut(VersionOut):
    effective: PriorityWeights


class AbstentionChanges(ValueChanges, json_schema_extra={"examples": [{"below": 0.5}]}):
    """Null goes back to each classifier's own threshold."""

    below: Confidence | None = None


class AbstentionOut(VersionOut):
    effective: Abstention
