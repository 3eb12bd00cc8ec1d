from typing import Literal

from pydantic import Field

from app.core.schemas import Out


class Evidence(Out):
    """A passage that may answer a question, and where it stands."""

    source: Literal["ticket"] = "ticket"
    ticket_id: int
    title: str
    text: str = Field(description="The problem as it was reported, cut to its beginning.")
    category: str
    resolution: str | None = Field(description="The last public word on it, if there is one.")
    score: float = Field(ge=0, le=1, description="1 where words and meaning both found it first.")
