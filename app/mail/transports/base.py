"""The port, and what can go wrong behind it."""

from email.message import EmailMessage
from typing import Protocol


class TransportFault(Exception):
    """`reason` is a sentence for the staff; it may quote the other server."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Away(TransportFault):
    """Not now. It may even have been taken, and the answer lost: the next attempt has the same Message-ID."""


class Refused(TransportFault):
    """The other server is well and does not want this mail."""


class Transport(Protocol):
    async def send(self, message: EmailMessage, *, sender: str, recipient: str, name: str) -> None:
        """`name` is of the mail: what is sent again under it is the same mail. Raises Away and Refused."""
