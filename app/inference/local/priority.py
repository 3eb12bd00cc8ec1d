"""Scores how pressing a report is, by a formula that can be read and argued with.

    score    = clamp(base + Σ weight(group) · points(group), 0, 100)
    groups   = category, severity, outage, scope, deadline, sentiment, repeat, relief: read from the text;
               vip, active_outage, repeated_contact: known from elsewhere, 1 point each when true
    priority = by bands of the score; as delivered low below 25, medium below 50, high below 75, critical from 75

`category` is a fixed number of points for each category. Of every other group only the strongest
term counts, so that shouting the same thing five times does not add up; `relief` holds negative points ("no rush",
"cosmetic"). A negated term ("no outage", "isn't really critical": only filler words in between) is not counted, and
a negated urgency ("not urgent") counts as relief. Base, bands, weights and the categories' points are configuration.
Each counted term comes back with its points and the words it was read from.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from app.inference.local.priority_terms import FILLERS, GROUPS, NEGATORS, RELIEF, URGENCY
from app.inference.local.priority_weights import PriorityWeights, delivered
from app.inference.local.vocabulary import plain

PriorityName = Literal["low", "medium", "high", "critical"]

NEGATED_URGENCY_POINTS: Final = -12.0
MAX_CHARS: Final = 50_000
_REACH: Final = 4
_LONGEST: Final = max(len(phrase) for table in GROUPS.values() for phrase in table)

_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)?|[.!?;,:\n]|\d")


@dataclass(frozen=True, slots=True)
class PriorityTerm:
    name: str
    weight: float
    evidence: str
    """The words as written, or what else the points were given for."""


@dataclass(frozen=True, slots=True)
class PriorityScore:
    priority: PriorityName
    score: float
    terms: tuple[PriorityTerm, ...]


@dataclass(frozen=True, slots=True)
class _Word:
    plain: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What the desk knows of the case besides its text: group → the words that prove it. Only true ones are in it."""

    proven: Mapping[str, str] = field(default_factory=dict)


def score_priority(
    text: str,
    category: str | None = None,
    *,
    facts: Facts | None = None,
    weights: PriorityWeights | None = None,
) -> PriorityScore:
    """See the module's docstring for the formula. `category` adds its fixed points when it is given and known.
    Without `weights` the delivered ones count."""
    rules = weights or delivered()
    text = text[:MAX_CHARS]
    counted = _strongest(text)
    if category in rules.categories:
        counted["category"] = PriorityTerm("category", rules.categories[category], category)
    if facts is not None:
        counted |= {name: PriorityTerm(name, 1.0, evidence) for name, evidence in facts.proven.items()}
    weighted = [PriorityTerm(term.name, term.weight * rules.of(term.name), term.evidence) for term in counted.values()]
    score = min(100.0, max(0.0, rules.base + sum(term.weight for term in weighted)))
    priority = _band(score, rules)
    ordered = sorted((term for term in weighted if term.weight), key=lambda term: -abs(term.weight))
    return PriorityScore(priority, score, (PriorityTerm("base", rules.base, "every report"), *ordered))


def _band(score: float, rules: PriorityWeights) -> PriorityName:
    if score >= rules.bands.critical:
        return "critical"
    if score >= rules.bands.high:
        return "high"
    return "medium" if score >= rules.bands.medium else "low"


def _strongest(text: str) -> dict[str, PriorityTerm]:
    """The strongest term of each group, negations applied."""
    words = [_Word(plain(match[0]).replace("’", "'"), match.start(), match.end()) for match in _TOKEN.finditer(text)]
    found: dict[str, PriorityTerm] = {}

    def keep(term: PriorityTerm) -> None:
        if term.name not in found or abs(term.weight) > abs(found[term.name].weight):
            found[term.name] = term

    position = 0
    while position < len(words):
        length = 0
        for size in range(min(_LONGEST, len(words) - position), 0, -1):
            phrase = tuple(word.plain for word in words[position : position + size])
            hits = [(name, table[phrase]) for name, table in GROUPS.items() if phrase in table]
            if hits:
                length = size
                negator = _negator(words, position)
                start = words[position if negator is None else negator].start
                evidence = text[start : words[position + size - 1].end]
                for name, weight in hits:
                    if negator is None:
                        keep(PriorityTerm(name, weight, evidence))
                    elif name in URGENCY:
                        keep(PriorityTerm(RELIEF, NEGATED_URGENCY_POINTS, evidence))
                break
        position += length or 1
    return found


def _negator(words: list[_Word], position: int) -> int | None:
    """Where the word stands that negates the one at `position`, if any."""
    for before in range(position - 1, max(-1, position - 1 - _REACH), -1):
        word = words[before].plain
        if word in NEGATORS or word.endswith("n't"):
            return before
        if word not in FILLERS:
            return None
    return None
