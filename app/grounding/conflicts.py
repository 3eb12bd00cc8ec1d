"""Sources that contradict each other: two sentences in nearly the same words that differ in a figure or a denial."""

import re
from collections.abc import Iterator, Sequence

from app.grounding.evidence import Excerpt
from app.grounding.outcome import Citation, Conflict
from app.inference.wording import denies, figures, sentences, terms

ALIKE = 0.7
"""Share of their terms, figures left out, that two sentences must have in common to speak of one matter."""
TERMS_LEAST = 4
SENTENCES_LOOKED_AT = 80
_VERSION = re.compile(r"\b(?:v|version|release)\.?\s*\d|\b\d+(?:\.\d+){2,}", re.IGNORECASE)
_DATE = re.compile(
    r"\b\d{4}-\d{2}-\d{2}\b|\b\d{1,2}[./]\d{1,2}[./]\d{2,4}\b|"
    r"\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.? \d{1,4}\b",
    re.IGNORECASE,
)


def conflicts(cited: Sequence[Citation], excerpts: Sequence[Excerpt]) -> tuple[Conflict, ...]:
    """Between what is cited and what the other documents given say of the same."""
    others = [(one.evidence.doc_id, said, _matter(said)) for one in excerpts for said in _spoken(one.evidence.text)]
    found: dict[tuple[str, str], Conflict] = {}
    for citation in cited:
        for one in _spoken(citation.quote):
            mine = _matter(one)
            for document_id, other, theirs in others:
                if document_id != citation.document_id and _alike(mine, theirs) and (kind := _differ(one, other)):
                    found[one, other] = Conflict(kind, one, other)
    return tuple(found.values())


def conflict(one: str, other: str) -> str | None:
    """What two sentences differ in, if they speak of one matter: version, date, number or negation."""
    return _differ(one, other) if _alike(_matter(one), _matter(other)) else None


def _alike(mine: set[str], theirs: set[str]) -> bool:
    return min(len(mine), len(theirs)) >= TERMS_LEAST and len(mine & theirs) >= ALIKE * len(mine | theirs)


def _differ(one: str, other: str) -> str | None:
    if denies(one) != denies(other):
        return "negation"
    here, there = figures(one), figures(other)
    # One that merely says more does not contradict.
    if not (here - there and there - here):
        return None
    for kind, pattern in (("version", _VERSION), ("date", _DATE)):
        if pattern.search(one) and pattern.search(other):
            return kind
    return "number"


def _spoken(text: str) -> Iterator[str]:
    for number, (start, end) in enumerate(sentences(text)):
        if number == SENTENCES_LOOKED_AT:
            return
        yield text[start:end]


def _matter(sentence: str) -> set[str]:
    return {term for term in terms(sentence) if not any(char.isdigit() for char in term)}
