"""Category, priority and team of a report in one call: what rooms use without an agent."""

from dataclasses import dataclass

from app.inference.local.classifier import classify
from app.inference.local.priority import PriorityName, PriorityTerm, score_priority
from app.inference.local.priority_weights import PriorityWeights


@dataclass(frozen=True, slots=True)
class Categorization:
    category: str
    priority: PriorityName
    team: str
    confidence: float
    """Of the category; 0..1, calibrated."""
    reasoning: str
    alternatives: tuple[tuple[str, float], ...]
    priority_terms: tuple[PriorityTerm, ...]


def categorize(text: str, title: str | None = None, *, weights: PriorityWeights | None = None) -> Categorization:
    """Synchronous CPU work of about 10 ms a short text (the first call loads the model, about 1 s)."""
    whole = f"{title}\n{text}" if title and title.strip() not in text else text
    found = classify(whole)
    scored = score_priority(whole, found.category, weights=weights)
    return Categorization(
        category=found.category,
        priority=scored.priority,
        team=found.team,
        confidence=found.confidence,
        reasoning=f"{found.reasoning} {priority_sentence(scored.priority, scored.score, scored.terms)}",
        alternatives=found.alternatives,
        priority_terms=scored.terms,
    )


def priority_sentence(priority: str, score: float, terms: tuple[PriorityTerm, ...]) -> str:
    base, *others = terms
    shown = [f"{base.name} {base.weight:+.0f}"]
    shown += [f"{term.name} {term.weight:+.0f} (“{term.evidence}”)" for term in others]
    return f"Priority {priority} with {score:.0f} of 100 points: {', '.join(shown)}."
