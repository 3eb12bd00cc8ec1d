"""Sources that contradict each other: two sentences on one matter that differ in a figure, a date or a denial.

One matter it is when the words are nearly the same, or when some are and the sentences, their figures left out, mean
the same to the sentence model. Documents whose titles name different versions speak of different things.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from app.grounding.evidence import Excerpt
from app.grounding.outcome import Citation, Conflict
from app.inference.embedding import likeness
from app.inference.sentences import sentences
from app.inference.wording import codes, denies, figures, terms

ALIKE: Final = 0.7
"""Share of their terms, figures left out, that two sentences must have in common to be nearly the same."""
TERMS_LEAST: Final = 4
SHARED_LEAST, SHARED_SHARE = 2, 0.5
"""What two sentences must have in common, in terms and of the shorter one's, to be compared by meaning."""
MEANING: Final = 0.72
DENIAL_SHARED: Final = 0.75
DENIAL_LEAST: Final = 3
"""A denial is one small word: more must speak for one matter."""
SENTENCES_LOOKED_AT: Final = 80
COMPARED_MOST: Final = 24

_NUMBER: Final = re.compile(
    r"(?P<sign>[$€£])?\s?(?P<number>\d+(?:[.,]\d+)*)(?:\s*[-–]?\s*(?P<unit>%|[€$£]|[^\W\d_]+))?"
)
_VERSION: Final = re.compile(r"\b(?:v|versions?|releases?)\.?\s*(\d[\w.]*)|\b(\d+(?:\.\d+){2,})", re.IGNORECASE)
_MONTH: Final = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_DATE: Final = re.compile(
    rf"\b\d{{4}}-\d{{2}}-\d{{2}}\b|(?<![\d.])\d{{1,2}}\.\d{{1,2}}\.\d{{4}}\b|\b\d{{1,2}}/\d{{1,2}}/\d{{2,4}}\b|"
    rf"\b{_MONTH}\.? \d{{1,2}}(?:,? \d{{4}})?\b|\b\d{{1,2}} {_MONTH}(?: \d{{4}})?\b|\b{_MONTH} \d{{4}}\b",
    re.IGNORECASE,
)
_ROLE: Final = re.compile(
    r"\b(?:at least|minimum|at most|maximum|up to|recommended|default|since|from|before|until)\b",
    re.IGNORECASE,
)
_BOUND: Final = re.compile(
    r"\b(?:since|from|before|until|needs?|needed|requires?|required|with|at least|minimum)\s+(?:[\w'’]+\s+){0,3}?"
    r"(?:v|versions?|releases?)\.?\s*\d",
    re.IGNORECASE,
)
"""A version that something needs or begins with; elsewhere it is part of a product's name."""
_SUPPOSES: Final = re.compile(r"\b(?:if|unless|whether|in case|wenn|falls|si|se)\b|\(|:\s*$", re.IGNORECASE)
"""A denial in a condition or an aside denies nothing, and a heading says nothing."""
_UNITS: Final[dict[str, tuple[str, float]]] = {
    "s": ("time", 1), "sec": ("time", 1), "second": ("time", 1), "min": ("time", 60), "minute": ("time", 60),
    "h": ("time", 3600), "hour": ("time", 3600), "day": ("time", 86_400), "week": ("time", 604_800),
    "month": ("month", 1), "year": ("month", 12),
    "kb": ("size", 1e3), "mb": ("size", 1e6), "gb": ("size", 1e9), "tb": ("size", 1e12),
    "€": ("euro", 1), "eur": ("euro", 1), "$": ("dollar", 1), "usd": ("dollar", 1), "£": ("pound", 1),
    "percent": ("%", 1),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Said:
    """A sentence and what it is about: its terms without figures and their units."""

    text: str
    matter: frozenset[str]
    apart: frozenset[str]
    """Versions and codes of its document's title."""


def conflicts(cited: Sequence[Citation], excerpts: Sequence[Excerpt]) -> tuple[Conflict, ...]:
    """Between what is cited and what the other documents given say of the same. CPU work."""
    others = [
        (one.evidence.doc_id, said) for one in excerpts for said in _spoken(one.evidence.text, one.evidence.title)
    ]
    pairs: list[tuple[_Said, _Said]] = []
    for citation in cited:
        for mine in _spoken(citation.quote, citation.title):
            pairs += [(mine, theirs) for document_id, theirs in others if document_id != citation.document_id]
    return _between(pairs)


def conflict(one: str, other: str) -> str | None:
    """What two sentences differ in, if they speak of one matter: version, date, number or negation."""
    return next((found.kind for found in _between([(_said(one), _said(other))])), None)


def _between(pairs: Sequence[tuple[_Said, _Said]]) -> tuple[Conflict, ...]:
    found: dict[tuple[str, str], Conflict] = {}
    compared = 0
    for mine, theirs in pairs:
        # A title that names a version speaks of it alone.
        if mine.apart != theirs.apart and mine.apart and theirs.apart:
            continue
        kind = _near(mine, theirs)
        if kind is None and compared < COMPARED_MOST and (loose := _far(mine, theirs)) is not None:
            compared += 1
            near = likeness(_without_figures(mine.text), [_without_figures(theirs.text)])[0]
            kind = loose if near >= MEANING else None
        if kind is not None:
            found[mine.text, theirs.text] = Conflict(kind, mine.text, theirs.text)
    return tuple(found.values())


def _near(mine: _Said, theirs: _Said) -> str | None:
    """Nearly the same words: any figure and any denial counts."""
    if min(len(mine.matter), len(theirs.matter)) < TERMS_LEAST:
        return None
    if len(mine.matter & theirs.matter) < ALIKE * len(mine.matter | theirs.matter):
        return None
    if denies(mine.text) != denies(theirs.text):
        return "negation"
    here, there = figures(mine.text), figures(theirs.text)
    # One that merely says more does not contradict.
    if not (here - there and there - here):
        return None
    for kind, pattern in (("version", _VERSION), ("date", _DATE)):
        if pattern.search(mine.text) and pattern.search(theirs.text):
            return kind
    return "number"


def _far(mine: _Said, theirs: _Said) -> str | None:
    """Other words for what may be one matter, should the two mean the same."""
    shared = len(mine.matter & theirs.matter)
    shorter = min(len(mine.matter), len(theirs.matter))
    if shared < SHARED_LEAST or shared < SHARED_SHARE * shorter:
        return None
    role, other = _roles(mine.text), _roles(theirs.text)
    if role == other or not (role and other):
        here, there = _quantities(mine.text), _quantities(theirs.text)
        if "version" in here and "version" in there and here["version"].isdisjoint(there["version"]):
            return "version" if _BOUND.search(mine.text) and _BOUND.search(theirs.text) else None
        for unit in sorted(here.keys() & there.keys()):
            if here[unit].isdisjoint(there[unit]):
                return "date" if unit == "date" else "number"
    if _SUPPOSES.search(mine.text) or _SUPPOSES.search(theirs.text):
        return None
    much = shared >= max(DENIAL_SHARED * shorter, DENIAL_LEAST)
    if much and figures(mine.text) == figures(theirs.text) and denies(mine.text) != denies(theirs.text):
        return "negation"
    return None


def _quantities(text: str) -> dict[str, frozenset[str]]:
    """Values by what they measure, in one unit each: times in seconds, sizes in bytes; a noun measures itself."""
    found: dict[str, set[str]] = {}
    for match in _DATE.finditer(text):
        found.setdefault("date", set()).add(match[0].lower())
    text = _DATE.sub(" ", text)
    for match in _VERSION.finditer(text):
        found.setdefault("version", set()).add((match[1] or match[2]).rstrip("."))
    for match in _NUMBER.finditer(_VERSION.sub(" ", text)):
        word = (match["sign"] or match["unit"] or "").lower()
        unit, factor = _UNITS.get(word) or _UNITS.get(word.removesuffix("s")) or (" ".join(terms(word)), 1.0)
        number = match["number"].replace(",", "")
        if unit and number.count(".") < 2:
            found.setdefault(unit, set()).add(f"{float(number) * factor:g}")
    return {unit: frozenset(values) for unit, values in found.items()}


def _roles(text: str) -> set[str]:
    return {match[0].lower() for match in _ROLE.finditer(text)}


def _without_figures(text: str) -> str:
    return _NUMBER.sub(" ", _VERSION.sub(" ", _DATE.sub(" ", text)))


def _spoken(text: str, title: str) -> Iterator[_Said]:
    apart = frozenset(codes(title) | {number for number in figures(title) if "." in number})
    for number, (start, end) in enumerate(sentences(text)):
        if number == SENTENCES_LOOKED_AT:
            return
        yield _said(text[start:end], apart)


def _said(text: str, apart: frozenset[str] = frozenset()) -> _Said:
    bare = terms(_without_figures(text))
    return _Said(text, frozenset(term for term in bare if not any(char.isdigit() for char in term)), apart)
