"""The weights of priorities, in versions."""

from app.ai_config.errors import PriorityWeightsInvalid, PriorityWeightsVersionUnknown
from app.inference.local.priority_weights import PriorityWeights, effective
from app.versions.service import Values

WEIGHTS: Values[PriorityWeights] = Values(
    "priority_weights", effective, PriorityWeightsInvalid, PriorityWeightsVersionUnknown
)
