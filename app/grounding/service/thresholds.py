"""The thresholds in force, and their versions."""

from app.grounding.errors import ThresholdsInvalid, ThresholdsVersionUnknown
from app.grounding.thresholds import Thresholds, effective
from app.versions.service import Values

THRESHOLDS: Values[Thresholds] = Values("answer_thresholds", effective, ThresholdsInvalid, ThresholdsVersionUnknown)
