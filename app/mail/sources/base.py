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
