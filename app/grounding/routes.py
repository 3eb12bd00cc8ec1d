"""Under `/ai-config`, before that room's own routes: `/ai-config/{agent_type}` would take these addresses."""

from app.grounding.schemas import ThresholdChanges, ThresholdsOut
from app.grounding.service import THRESHOLDS
from app.versions.routes import Said, versioned

router = versioned(
    "/ai-config/answer-thresholds",
    THRESHOLDS,
    Said(
        "thresholds",
        get="What an answer must reach before it is sent.",
        update="Replace values; the outcome is the next version, in force from the next answer on, in every process.",
    ),
    changes=ThresholdChanges,
    out=ThresholdsOut,
)
