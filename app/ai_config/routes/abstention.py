"""When the local classifier tells nothing, under `/ai-config`."""

from app.ai_config.abstention import ABSTENTION
from app.ai_config.schemas import AbstentionChanges, AbstentionOut
from app.versions.routes import Said, versioned

router = versioned(
    "/ai-config/abstention",
    ABSTENTION,
    Said(
        "abstention",
        get="The confidence below which the local classifier tells no category.",
        update="Replace it; the outcome is the next version, in force from the next report on, in every process.",
    ),
    changes=AbstentionChanges,
    out=AbstentionOut,
)
