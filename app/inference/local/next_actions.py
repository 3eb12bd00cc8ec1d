"""What the team should do first: one standing action a category, then what this very report asks for."""

from collections.abc import Iterator
from typing import Any, Final

from app.inference.local.sources import Material

MAX_ACTIONS: Final = 8
SIMILAR_FROM: Final = 0.5
"""A similar ticket with a lower score is not worth a look."""

FIRST_ACTION: Final[dict[str, str]] = {
    "general": "Read the report and choose a category.",
    "bug": "Reproduce the fault with the version that was reported.",
    "incident": "Check the service's health now and declare an incident if it is confirmed.",
    "performance": "Compare the response times named here with the monitoring of the same period.",
    "security": "Limit the access in question first, then secure the logs of the period.",
    "account": "Verify the person's identity before changing anything in the account.",
    "billing": "Compare the amounts named here with the invoice and the payments.",
    "integration": "Check the connection's credentials and the last exchange in its log.",
    "feature_request": "Look for the same wish and add this voice to it.",
    "how_to": "Answer with the guide that covers the question.",
}


def next_actions(category: str, material: Material, tickets: Any, knowledge: Any) -> list[str]:
    return list(_actions(category, material, tickets, knowledge))[:MAX_ACTIONS]


def _actions(category: str, material: Material, tickets: Any, knowledge: Any) -> Iterator[str]:
    yield FIRST_ACTION.get(category, FIRST_ACTION["general"])
    found = [source.found for source in material.sources]
    if category == "bug" and not any(extraction.steps for extraction in found):
        yield "Ask for the steps that lead to the fault."
    if category == "bug" and not any(extraction.versions for extraction in found):
        yield "Ask which version is in use."
    for unread in material.unread:
        yield f"Open {unread.file.filename} by hand: it could not be read."
    for source in material.files:
        if not source.trusted and source.file:
            yield f"Check {source.file.filename} by hand: it was read with a confidence of {source.confidence:.2f}."
    for entry in _entries(tickets):
        if entry.get("id") is not None and _score(entry) >= SIMILAR_FROM:
            yield f"Compare with ticket {entry['id']}: “{entry.get('title') or ''}”."
            break
    for entry in _entries(knowledge):
        if entry.get("title"):
            yield f"See “{entry['title']}” in the knowledge base."
            break


def _entries(answer: Any) -> list[dict[str, Any]]:
    return [entry for entry in answer if isinstance(entry, dict)] if isinstance(answer, list) else []


def _score(entry: dict[str, Any]) -> float:
    score = entry.get("meaning") or entry.get("score")
    return float(score) if isinstance(score, int | float) else 0.0
