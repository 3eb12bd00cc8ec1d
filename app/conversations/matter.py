"""What a conversation is about for whoever deals with it: not what came first, but what is still to be dealt with."""

from collections.abc import Sequence

from app.conversations.wishes import wants_person
from app.models.conversation import Handling, Message


def matter(asked: Sequence[Message]) -> Message | None:
    """Of a customer's messages, oldest first, the first that no source answered; when all were answered, or it only
    asks for a person, the last one up to there that says more than that."""
    last = next((at for at, one in enumerate(asked) if one.handled_as != Handling.ANSWERED), len(asked) - 1)
    said = [one for one in asked[: last + 1] if not wants_person(one.content)]
    return said[-1] if said else next(iter(asked), None)
