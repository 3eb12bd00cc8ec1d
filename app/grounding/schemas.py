from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, StrictBool

from app.core.schemas import In, Out, Whole
from app.grounding.thresholds import Share, Thresholds


class ThresholdChanges(In, json_schema_extra={"examples": [{"confidence": 0.6}]}):
    """Values to replace; null puts the delivered one back. Those left out stay as they are."""

    confidence: Share | None = None
    meaning: Share | None = None
    coverage: Share | None = None
    cited: Share | None = None
    support: Share | None = None
    conflicts: StrictBool | None = None
    calibration: dict[str, Any] | None = None

    def given(self) -> dict[str, Any]:
        return self.model_dump(include=self.model_fields_set)


class ThresholdsOut(Out):
    version: int = Field(description="0: as delivered.")
    effective: Thresholds
    replaced: list[str] = Field(description="Values that are not as delivered.")
    updated_at: datetime | None
    updated_by: str | None


class ThresholdsRollback(In, json_schema_extra={"examples": [{"version": 0}]}):
    version: Annotated[Whole, Field(ge=0, le=2**31 - 1, description="0: as delivered.")]
