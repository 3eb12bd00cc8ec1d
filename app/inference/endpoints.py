"""Models behind an endpoint: what they are asked and what they answer, whoever serves them."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Hours = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]


class Guess(BaseModel):
    label: Annotated[str, Field(min_length=1, max_length=200)]
    confidence: Share


class Classification(Guess):
    model_config = ConfigDict(extra="ignore")

    alternatives: Annotated[list[Guess], Field(max_length=20)] = Field(default_factory=list)


class ResolutionTime(BaseModel):
    """Hours from opening to resolution; `low` and `high` hold nine of ten, where the model says so."""

    model_config = ConfigDict(extra="ignore")

    hours: Hours
    low: Hours | None = None
    high: Hours | None = None


class Embedded(BaseModel):
    vector: Annotated[list[float], Field(min_length=1, max_length=4096)]
    input_tokens: int = Field(default=0, ge=0)
