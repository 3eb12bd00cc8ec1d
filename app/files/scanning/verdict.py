"""What a scanner says of a file."""

from dataclasses import dataclass, field
from typing import Literal

Flag = Literal[
    "macros", "script_inside", "encrypted_entries", "archive_not_inspected", "partly_inspected", "markup_in_picture",
    "active_pdf",
]  # fmt: skip
"""Worth telling whoever opens the file, and no reason to refuse it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`harm` is a sentence for people, None when nothing harmful was found. `scanner` names program and version."""

    scanner: str
    harm: str | None = None
    flags: list[str] = field(default_factory=list)


class ScannerAway(Exception):
    """It could not be asked, or did not answer as it should: no verdict, try again later."""
