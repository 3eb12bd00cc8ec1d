"""The port. A memory is a copy: the messages themselves are the truth, and what it lacks is read from them."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


class MemoryAway(Exception):
    """It cannot be reached just now; the conversation goes on without it."""


@dataclass(frozen=True, slots=True)
class RememberedTurn:
    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Remembered:
    """The conversation up to the message at `position`."""

    position: int
    summary: str
    turns: tuple[RememberedTurn, ...]


class ConversationMemory(Protocol):
    async def recall(self, session_id: UUID) -> Remembered | None:
        """Raises MemoryAway."""

    async def remember(self, session_id: UUID, now: Remembered) -> bool:
        """False, and nothing changes, when it knows as much or more: late writers do no harm. Raises MemoryAway."""

    async def forget(self, session_id: UUID) -> None:
        """Raises MemoryAway."""
