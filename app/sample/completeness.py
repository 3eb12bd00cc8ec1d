"""Is a ticket made from the sample report complete? Judged from the API's own answers."""

from collections.abc import Iterator
from typing import Any

IN_THE_PICTURE = "EXP-5031"
"""An error code that stands in the screenshot and nowhere else in the report."""
WANTED = ("ticket_id", "title", "description", "category", "priority", "team", "confidence")


def missing(ticket: dict[str, Any], files: list[dict[str, Any]]) -> list[str]:
    """What a complete ticket lacks, one sentence each; empty when nothing does.

    `ticket` is the answer of the agent, `files` are the files' metadata after it.
    """
    found = [f"the ticket has no {name}" for name in WANTED if ticket.get(name) in (None, "")]
    if not any(IN_THE_PICTURE in text for text in texts(ticket.get("evidence"))):
        found.append(f"the evidence does not hold the text of the picture ({IN_THE_PICTURE})")
    found += [
        f"{file['filename']} is {file['processing_status']}, not completed"
        for file in files
        if file["processing_status"] != "completed"
    ]
    return found


def texts(value: object) -> Iterator[str]:
    """Every string in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
