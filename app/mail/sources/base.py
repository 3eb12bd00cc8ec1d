"""The port. A source hands mails on and lets go of each only once it is durable; whatever is killed, it comes again."""

import asyncio
from typing import Protocol


class SourceAway(Exception):
    """It cannot be reached or used just now. `reason` is a sentence for administrators."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class MailSource(Protocol):
    name: str

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set. Raises SourceAway; then it is run again after a rest."""


async def rested(stop: asyncio.Event, seconds: float) -> None:
    """So long, or until it is time to stop."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


def plain_address(address: str) -> str:
    """Without what stands behind a plus."""
    local, _, domain = address.rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"
