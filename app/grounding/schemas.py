from typing import Any

from pydantic import StrictBool

from app.grounding.thresholds import Share, Thresholds
from app.versions.schemas import ValueChanges, VersionOut


class ThresholdChanges(ValueChanges, json_schema_extra={"examples": [{"confidence": 0.6}]}):
    """Values to replace; null puts the delivered one back. Those left out stay as they are."""

    confidence: Share | None = None
    meaning: Share | None = None
    coverage: Share | None = None
    cited: Share | None = None
    support: Share | None = None
    identifiers: StrictBool | None = None
    conflicts: StrictBool | None = None
    calibration: dict[str, Any] | None = None


class ThresholdsOut(VersionOut):
    effective: Thresholds
