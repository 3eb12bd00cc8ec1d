"""The summary that is always there: by extraction, a line for each message. And the tags of a case."""

from typing import Final

from app.inference.local import summarizing
from app.inference.local.enrichment import enrich
from app.inference.local.summarizing import lead
from app.models.conversation import Speaker

__all__ = ["extended", "lead", "tags"]

TAGS_MOST: Final = 5


def extended(summary: str, role: Speaker, content: str) -> str:
    """The summary with one more message; what the system says is no part of it."""
    return summary if role is Speaker.SYSTEM else summarizing.extended(summary, [(role, content)])


def tags(text: str, *, category: str | None = None) -> list[str]:
    """One or two words each: the category, and the words that carry the matter."""
    found = [category.replace("_", " ")] if category is not None else []
    found += [word.lower() for word in enrich(text).keywords]
    short = [tag for tag in dict.fromkeys(found) if len(tag) <= 50 and len(tag.split()) in (1, 2)]
    return short[:TAGS_MOST]
