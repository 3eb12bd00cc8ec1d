"""The confidence below which the local classifier tells no category, in versions."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from app.ai_config.errors import AbstentionInvalid, AbstentionVersionUnknown
from app.versions.service import Values

Confidence = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]


class Abstention(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    below: Confidence | None = Field(
        default=None, description="Null: each version of the classifier has the threshold that it found for itself."
    )


def effective(replaced: Mapping[str, Any]) -> Abstention:
    """Raises pydantic's ValidationError."""
    return Abstention.model_validate(replaced)


ABSTENTION: Values[Abstention] = Values("abstention", effective, AbstentionInvalid, AbstentionVersionUnknown)
