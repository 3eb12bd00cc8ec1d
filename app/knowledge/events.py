"""What happened to a document: who cited it learns from these that a source is new, other or gone."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from pydantic import Field

from app.core.schemas import Event


class DocumentEvent(Event):
    document_id: UUID
    version: int
    timestamp: datetime

    @property
    def aggregate(self) -> str:
        return f"document:{self.document_id}"


class DocumentIndexed(DocumentEvent):
    """This version is what a search finds from now on."""

    type: ClassVar[str] = "document.indexed"


class DocumentChanged(DocumentEvent):
    """There is a new text, or other people may read it. `version` is the newest."""

    type: ClassVar[str] = "document.changed"


class DocumentDeleted(DocumentEvent):
    """`keys` are the objects that held the files it was sent as."""

    type: ClassVar[str] = "document.deleted"
    keys: list[str] = Field(default_factory=list)
