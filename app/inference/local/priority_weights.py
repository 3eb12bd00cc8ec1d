"""How much each sign of urgency counts. Delivered in `app/config/priority.yaml`."""

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.core.schemas import Slug

MOST_CATEGORIES = 200

Score = Annotated[float, Field(strict=True, ge=0, le=100, allow_inf_nan=False)]
Weight = Annotated[float, Field(strict=True, ge=0, le=100, allow_inf_nan=False)]
Points = Annotated[float, Field(strict=True, ge=-100, le=100, allow_inf_nan=False)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Bands(_Section):
    """The least score of each priority; below `medium` it is low."""

    medium: Score
    high: Score
    critical: Score

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if not self.medium < self.high < self.critical:
            raise ValueError("medium, high and critical must rise")
        return self


class PriorityWeights(_Section):
    """Multipliers of the groups read from a text; `vip`, `active_outage` and `repeated_contact` are points."""

    base: Score = Field(description="Points of every report.")
    bands: Bands
    category: Weight
    severity: Weight
    outage: Weight
    scope: Weight
    deadline: Weight
    sentiment: Weight
    repeat: Weight
    relief: Weight
    vip: Weight
    active_outage: Weight
    repeated_contact: Weight
    categories: Annotated[dict[Slug, Points], Field(max_length=MOST_CATEGORIES)] = Field(
        description="Points of each category; of one that is not named: none."
    )

    def of(self, group: str) -> float:
        weight: float = getattr(self, group)
        return weight


@lru_cache(maxsize=1)
def _delivered() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((files("app") / "config" / "priority.yaml").read_text(encoding="utf-8"))
    return document


def effective(replaced: Mapping[str, Any]) -> PriorityWeights:
    """The delivered values with these in their place. Raises pydantic's ValidationError."""
    return PriorityWeights.model_validate({**_delivered(), **replaced})


@lru_cache(maxsize=1)
def delivered() -> PriorityWeights:
    return effective({})
