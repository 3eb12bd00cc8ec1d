"""Where passages are found, and what is remembered of searches."""

from pydantic import BaseModel, Field


class KnowledgeSettings(BaseModel):
    diagnostics_share: float = Field(
        default=1.0, ge=0, le=1, description="Of all searches, those whose query, scores and timings are kept."
    )
    diagnostics_days: int = Field(default=14, ge=1, le=365, description="Kept searches are forgotten after so long.")
