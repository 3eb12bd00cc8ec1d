"""Every table, one file per noun. Importing this package makes `Base.metadata` complete."""

from app.models import (
    agent,
    conversation,
    directory,
    evaluation,
    file,
    file_part,
    grounding,
    integration,
    job,
    knowledge,
    learning,
    outbox,
    resolution,
    spending,
    ticket,
    upload,
    user,
)
from app.models.base import Base

__all__ = [
    "Base",
    "agent",
    "conversation",
    "directory",
    "evaluation",
    "file",
    "file_part",
    "grounding",
    "integration",
    "job",
    "knowledge",
    "learning",
    "outbox",
    "resolution",
    "spending",
    "ticket",
    "upload",
    "user",
]
