"""Passages as they are given to whoever drafts: each knows where in its document every character of it stands."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.knowledge.schemas import Evidence


@dataclass(frozen=True, slots=True)
class Excerpt:
    """`chance` is its document's; `chunks` are the passages that it is made of, by their first character."""

    name: str
    evidence: Evidence
    chance: float
    chunks: tuple[tuple[int, UUID], ...]

    def chunk_at(self, start: int) -> UUID:
        """The last passage that begins at or before this character of the document."""
        return max((pair for pair in self.chunks if pair[0] <= start), default=min(self.chunks))[1]

    def shown(self) -> dict[str, Any]:
        """As material of a prompt: delimited by JSON, so that no word of it can end it."""
        return {
            "id": self.name,
            "title": self.evidence.title,
            "text": self.evidence.text,
            "relevance": round(self.chance, 4),
        }
