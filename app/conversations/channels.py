"""How what is said reaches a customer: a port with an adapter for each channel.

An adapter translates "there is something new" into deliveries of the outbox. Web and API customers read the stream.
"""

from collections.abc import Mapping
from typing import Protocol

from app.conversations.events import SessionChanged
from app.models.conversation import ChannelName
from app.outbox.deliveries import Delivery, Push

PROTOCOL = "session"
CHANGED = "session_changed"


class Channel(Protocol):
    def deliver(self, event: SessionChanged) -> list[Delivery]:
        """No reading, no effect: the relay carries out what is returned, at least once."""


class StreamChannel:
    """Wakes the conversation's streams, which read for themselves."""

    def deliver(self, event: SessionChanged) -> list[Delivery]:
        return [Push(session_channel(str(event.session_id)), PROTOCOL, CHANGED, {"number": event.number})]


CHANNELS: Mapping[ChannelName, Channel] = {name: StreamChannel() for name in ChannelName}


def session_channel(session_id: str) -> str:
    return f"session:{session_id}"
