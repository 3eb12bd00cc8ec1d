from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from app.core.schemas import WHOLE, In, Out


class ValueChange(Out):
    before: Any
    after: Any


class VersionOut(Out):
    """Those who show a subject add its `effective` values."""

    version: int = Field(description="0: as delivered.")
    replaced: list[str] = Field(description="Values that are not as delivered.")
    changes: dict[str, ValueChange] = Field(description="From the version before.")
    updated_at: datetime | None
    updated_by: str | None


class ValueChanges(In):
    """Every field may be left out; null puts the delivered value back."""

    def given(self) -> dict[str, Any]:
        return self.model_dump(include=self.model_fields_set)


class VersionRollback(In, json_schema_extra={"examples": [{"version": 0}]}):
    version: Annotated[int, Field(ge=0, le=2**31 - 1, description="0: as delivered."), WHOLE]
