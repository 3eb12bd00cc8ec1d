"""Mail as files in a maildir, for one machine and for tests. A mail of the same name is there once."""

import asyncio
import os
import secrets
from email.message import EmailMessage
from pathlib import Path

from app.mail.transports.base import Away


class MaildirTransport:
    def __init__(self, root: Path) -> None:
        self.root = root

    async def send(self, message: EmailMessage, *, sender: str, recipient: str, name: str) -> None:
        del sender, recipient  # the headers say so
        try:
            await asyncio.to_thread(deliver, self.root, name, message.as_bytes())
        except OSError as error:
            raise Away(f"The maildir cannot be written ({error.strerror}).") from error


def deliver(root: Path, name: str, content: bytes) -> None:
    """Written, synced, then moved to where readers look: a crash leaves no half, and no second one."""
    for folder in ("tmp", "new", "cur"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    if (root / "new" / name).exists() or any((root / "cur").glob(f"{name}:2,*")):
        return
    draft = root / "tmp" / f"{name}.{secrets.token_hex(4)}"
    with draft.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(root / "new" / name)
