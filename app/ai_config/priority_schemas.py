"""The weights of priorities on the wire."""

from typing import Annotated, Any

from pydantic import Field

from app.core.schemas import In, Slug
from app.inference.local.priority_weights import MOST_CATEGORIES, Points, PriorityWeights, Score, Weight
from app.versions.schemas import VersionOut


class PriorityBands(In):
    medium: Score
    high: Score
    critical: Score


class PriorityWeightChanges(In, json_schema_extra={"examples": [{"vip": 20}]}):
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

    def given(self) -> dict[str, Any]:
        return self.model_dump(include=self.model_fields_set)


class PriorityWeightsOut(VersionOut):
    effective: PriorityWeights
