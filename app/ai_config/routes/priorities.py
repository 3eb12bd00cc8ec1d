"""The weights of priorities, under `/ai-config`."""

from app.ai_config.priorities import WEIGHTS
from app.ai_config.schemas import PriorityWeightChanges, PriorityWeightsOut
from app.versions.routes import Said, versioned

router = versioned(
    "/ai-config/priority-weights",
    WEIGHTS,
    Said(
        "priority_weights",
        get="How much each sign of urgency counts.",
        update="Replace values; the outcome is the next version, in force from the next score on, in every process.",
    ),
    changes=PriorityWeightChanges,
    out=PriorityWeightsOut,
)
