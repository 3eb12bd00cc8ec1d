"""The names of channels, known to those who push and those who watch."""

from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID


def ticket_channel(ticket_id: int, *, staff: bool) -> str:
    """Customers' and staff's are two, each with numbers of its own: what one may not see is no gap to the other."""
    return f"ticket:{ticket_id}:staff" if staff else f"ticket:{ticket_id}"


def presence_channel(ticket_id: int) -> str:
    """Of the staff alone, and without numbers: only the present counts."""
    return f"presence:{ticket_id}"


def job_channel(job_id: UUID) -> str:
    return f"job:{job_id}"


def own_channel(user_id: int) -> str:
    """What is told to one person alone."""
    return f"user:{user_id}"


BUDGET: Final = "budget"
"""Of administrators."""

QUEUE: Final = "queue"
"""Of the staff: what concerns them whichever tickets they watch."""

Topic = Literal["own", "budget", "queue"]

ACCOUNTS = "accounts"
"""Whose rights changed: for the API processes themselves, nobody may subscribe to it."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a channel is about: a ticket, a job, or a topic; `user_id` is whose the topic `own` is."""

    ticket_id: int | None = None
    job_id: UUID | None = None
    topic: Topic | None = None
    user_id: int | None = None


def subject(channel: str) -> Subject:
    kind, _, rest = channel.partition(":")
    if kind == "job":
        return Subject(job_id=UUID(rest))
    if kind == "user":
        return Subject(topic="own", user_id=int(rest))
    if kind == BUDGET:
        return Subject(topic="budget")
    if kind == QUEUE:
        return Subject(topic="queue")
    return Subject(ticket_id=int(rest.partition(":")[0]))
