"""How far a claim follows from what it quotes, by its words, figures and meaning: no reading for sense."""

import re
from typing import Any, Final

from app.inference.embedding import likeness
from app.inference.wording import codes, denies, figures, terms

WORDS_SHARE: Final = 0.5
_SPACE = re.compile(r"\s+")

Facts = dict[str, Any]


def repeats(text: str, quotes: str) -> bool:
    """Word for word, but for white space."""
    return text in quotes or _SPACE.sub(" ", text) in _SPACE.sub(" ", quotes)


def adds_figures(text: str, quotes: str) -> bool:
    """It names a number, version or code that the quotes do not."""
    return bool(figures(text) - figures(quotes) or codes(text) - codes(quotes))


def support(text: str, quotes: str) -> float:
    """0 to 1. CPU work: call it in a thread.

    A figure, code or denial that the quotes do not share leaves nothing; the rest is half words, half meaning.
    """
    if not quotes:
        return 0.0
    if repeats(text, quotes):
        return 1.0
    if adds_figures(text, quotes) or denies(text) != denies(quotes):
        return 0.0
    claimed = set(terms(text))
    words = len(claimed.intersection(terms(quotes))) / len(claimed) if claimed else 0.0
    meaning = max(likeness(text, [quotes])[0], 0.0)
    return WORDS_SHARE * words + (1 - WORDS_SHARE) * meaning


def judged(material: Facts) -> Facts:
    """The facts of a judgement: each claim's number and its support."""
    given = material.get("claims")
    claims = [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []
    return {
        "claims": [
            {
                "number": one.get("number"),
                "support": round(min(support(str(one.get("text") or ""), str(one.get("quotes") or "")), 1.0), 4),
            }
            for one in claims
        ]
    }
