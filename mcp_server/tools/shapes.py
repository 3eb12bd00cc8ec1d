"""Arguments that several tools share, and what tools promise about their effects."""

import uuid
from typing import Annotated

from mcp_types import ToolAnnotations
from pydantic import Field

from app.core.schemas import BIGINT_MAX, Text

READS = ToolAnnotations(read_only_hint=True, idempotent_hint=True, destructive_hint=False, open_world_hint=False)
ADDS = ToolAnnotations(read_only_hint=False, idempotent_hint=False, destructive_hint=False, open_world_hint=False)
ADDS_ONCE = ToolAnnotations(read_only_hint=False, idempotent_hint=True, destructive_hint=False, open_world_hint=False)
ADDS_ELSEWHERE = ToolAnnotations(
    read_only_hint=False, idempotent_hint=True, destructive_hint=False, open_world_hint=True
)
ASKS_ELSEWHERE = ToolAnnotations(
    read_only_hint=True, idempotent_hint=False, destructive_hint=False, open_world_hint=True
)
CHANGES = ToolAnnotations(read_only_hint=False, idempotent_hint=True, destructive_hint=True, open_world_hint=False)

Query = Annotated[Text, Field(min_length=1, max_length=500)]
Report = Annotated[Text, Field(min_length=1, max_length=200_000, description="The report, with what files say.")]
Limit = Annotated[int, Field(ge=1, le=20, description="How many at most.")]
TicketId = Annotated[int, Field(ge=1, le=BIGINT_MAX, description="The ticket's number.")]
FileId = Annotated[uuid.UUID, Field(description="The file's id, as given in the report.")]
