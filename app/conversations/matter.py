"""What a conversation is about for whoever deals with it: not what came first, but what is still to be dealt with."""

from collections.abc import Sequence

from app.conversations.wishes import wants_person
from app.models.conversation import Handling, Message


def matter(asked: Sequence[Message]) -> Message | None:
    """Of a customer's messages, oldest first, the first that waits, else the first of the last handover, else the last.
    Where that one only asks for a person, the last one before it that says more."""
    said = [one for one in asked[: _opened(asked) + 1] if not wants_person(one.content)]
    return said[-1] if said else next(iter(asked), None)


def _opened(asked: Sequence[Message]) -> int:
    states = [one.handled_as for one in asked]
    if None in states:
        return states.index(None)
    at = next((at for at in reversed(range(len(states))) if states[at] == Handling.HANDED_OVER), len(states) - 1)
    while at > 0 and states[at] == states[at - 1] == Handling.HANDED_OVER:
        at -= 1
    return at
