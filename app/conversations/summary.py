"""A rolling summary by extraction: a line for each message, the first and the last ones kept. Nothing is invented."""

from typing import Final

from app.inference.local.enrichment import enrich
from app.inference.local.headline import headline
from app.inference.local.spans import lines_of
from app.models.conversation import Speaker

LEAD_CHARS: Final = 160
_FIRST, _LAST = 2, 8
_GAP: Final = "…"
TAGS_MOST: Final = 5


def lead(text: str) -> str:
    """The sentence that says what a text is about, at most 160 characters."""
    found = headline(lines_of(text))
    said = found.value if found is not None else " ".join(text.split())
    return said if len(said) <= LEAD_CHARS else said[: LEAD_CHARS - 1].rstrip() + "…"


def extended(summary: str, role: Speaker, content: str) -> str:
    """The summary with one more message; what the system says is no part of it."""
    if role is Speaker.SYSTEM:
        return summary
    lines = [line for line in summary.split("\n") if line and line != _GAP]
    lines.append(f"{role.capitalize()}: {' '.join(lead(content).split())}")
    if len(lines) > _FIRST + _LAST:
        lines = [*lines[:_FIRST], _GAP, *lines[-_LAST:]]
    return "\n".join(lines)


def tags(text: str, *, category: str | None = None) -> list[str]:
    """One or two words each: the category, and the words that carry the matter."""
    found = [category.replace("_", " ")] if category is not None else []
    found += [word.lower() for word in enrich(text).keywords]
    short = [tag for tag in dict.fromkeys(found) if len(tag) <= 50 and len(tag.split()) in (1, 2)]
    return short[:TAGS_MOST]
