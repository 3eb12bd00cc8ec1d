"""A summary by extraction: a line for each message, the first and the last ones kept. Nothing is invented."""

from collections.abc import Sequence
from typing import Any, Final

from app.inference.local.headline import headline
from app.inference.local.spans import lines_of

LEAD_CHARS: Final = 160
SUMMARY_CHARS: Final = 4_000
_FIRST, _LAST = 2, 8
_GAP: Final = "…"

Facts = dict[str, Any]


def lead(text: str) -> str:
    """The sentence that says what a text is about, at most 160 characters."""
    found = headline(lines_of(text))
    said = found.value if found is not None else " ".join(text.split())
    return said if len(said) <= LEAD_CHARS else said[: LEAD_CHARS - 1].rstrip() + "…"


def extended(summary: str, said: Sequence[tuple[str, str]]) -> str:
    """The summary with more messages, each by its role and content."""
    lines = [line for line in summary.split("\n") if line and line != _GAP]
    lines += [f"{role.capitalize()}: {' '.join(lead(content).split())}" for role, content in said]
    if len(lines) > _FIRST + _LAST:
        lines = [*lines[:_FIRST], _GAP, *lines[-_LAST:]]
    return "\n".join(lines)


def summarized(material: Facts) -> Facts:
    """The facts of a summary."""
    given = material.get("messages")
    messages = [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []
    said = [(str(one.get("role") or "customer"), str(one.get("content") or "")) for one in messages]
    return {"summary": extended(str(material.get("summary") or ""), said)[:SUMMARY_CHARS]}
