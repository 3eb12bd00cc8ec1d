"""What hangs on a mail."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Attachment:
    filename: str | None
    media_type: str
    content: bytes
