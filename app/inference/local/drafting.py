"""Composes the ticket: title, tags, evidence and the confidence in the whole, from what was read and decided.

Confidence = the category's calibrated confidence
             × (1 − s · (1 − r))   s: share of the judged text that was recognised, r: its mean recognition confidence
             × 0.9^u, at least × 0.5   u: files that could not be read
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from app.inference.local.categorize import categorize
from app.inference.local.conversation import Conversation
from app.inference.local.description import describe, file_summary
from app.inference.local.extraction import Finding, line_around
from app.inference.local.headline import MAX_TITLE_CHARS
from app.inference.local.next_actions import next_actions
from app.inference.local.routing import integration_for, team_for
from app.inference.local.sources import Material, Source, gather

MAX_TAGS: Final = 8
MAX_QUOTES: Final = 5
MAX_QUOTE_CHARS: Final = 400
UNREAD_FACTOR: Final = 0.9
LEAST_UNREAD_FACTOR: Final = 0.5
_FEW_WORDS: Final = 4
_NOT_IN_TAGS = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Decision:
    """Category, priority and team: from the tools where they answered, else worked out here."""

    category: str
    priority: str
    team: str
    confidence: float
    reasoning: str
    alternatives: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Draft:
    title: str
    description: str
    decision: Decision
    tags: list[str]
    confidence: float
    file_analysis_summary: str
    recommended_integration: str | None
    next_actions: list[str]
    evidence: list[dict[str, Any]]


def decide(conversation: Conversation, material: Material) -> Decision:
    answer = conversation.answer("categorize_issue")
    if isinstance(answer, dict) and isinstance(answer.get("category"), str):
        decision = Decision(
            category=answer["category"],
            priority=str(answer.get("priority") or "medium"),
            team=str(answer.get("team") or team_for(answer["category"])),
            confidence=_number(answer.get("confidence")),
            reasoning=str(answer.get("reasoning") or ""),
            alternatives=tuple(_alternatives(answer.get("alternatives"))),
        )
    else:
        own = categorize(material.judged_text(), title_of(material) if material.sources else None)
        decision = Decision(own.category, own.priority, own.team, own.confidence, own.reasoning, own.alternatives)
    return _routed(decision, conversation.answer("route_to_team"))


def draft(conversation: Conversation) -> Draft:
    material = gather(conversation)
    decision = decide(conversation, material)
    frames = any(source.found.stack_frames for source in material.sources)
    return Draft(
        title=title_of(material),
        description=describe(material),
        decision=decision,
        tags=_tags(decision.category, material),
        confidence=confidence_of(decision, material),
        file_analysis_summary=file_summary(material),
        recommended_integration=conversation.report.integration
        or integration_for(decision.category, shows_code=frames),
        next_actions=next_actions(
            decision.category,
            material,
            tickets=conversation.answer("search_tickets"),
            knowledge=conversation.answer("search_knowledge_base"),
        ),
        evidence=[entry for source in material.sources for entry in _evidence(source)],
    )


def title_of(material: Material) -> str:
    """The person's first sentence; a very short one ("see picture") is completed from what was surely read."""
    titles = [source.found.title.value for source in material.sources if source.found.title and source.trusted]
    if not titles:
        titles = [source.found.title.value for source in material.sources if source.found.title]
    if not titles:
        names = ", ".join(unread.file.filename for unread in material.unread)
        return f"Report without text: {names}"[:MAX_TITLE_CHARS] if names else "Report without text"
    if len(titles) > 1 and len(titles[0].split()) < _FEW_WORDS:
        return f"{titles[0]}: {titles[1]}"[:MAX_TITLE_CHARS]
    return titles[0]


def confidence_of(decision: Decision, material: Material) -> float:
    judged = [source for source in material.sources if source.kind != "page"]
    whole = sum(len(source.text) for source in judged)
    recognised = [source for source in judged if source.confidence is not None]
    factor = 1.0
    if whole and recognised:
        weight = sum(len(source.text) for source in recognised)
        mean = sum((source.confidence or 0.0) * len(source.text) for source in recognised) / weight
        factor = 1 - weight / whole * (1 - min(1.0, max(0.0, mean)))
    factor *= max(LEAST_UNREAD_FACTOR, UNREAD_FACTOR ** len(material.unread))
    return round(decision.confidence * factor, 4)


def _routed(decision: Decision, answer: Any) -> Decision:
    team = answer.get("team") if isinstance(answer, dict) else None
    if not isinstance(team, str) or not team:
        return decision
    return Decision(
        decision.category, decision.priority, team, decision.confidence, decision.reasoning, decision.alternatives
    )


def _alternatives(entries: Any) -> Iterator[tuple[str, float]]:
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and isinstance(entry.get("category"), str):
            yield entry["category"], _number(entry.get("confidence"))
        elif isinstance(entry, list) and len(entry) == 2:
            yield str(entry[0]), _number(entry[1])


def _number(value: Any) -> float:
    """A confidence that is missing counts as none."""
    return min(1.0, max(0.0, float(value))) if isinstance(value, int | float) else 0.0


def _tags(category: str, material: Material) -> list[str]:
    tags: dict[str, None] = {category: None}
    for source in material.sources:
        names = [code.value.rsplit(".", 1)[-1] for code in source.found.error_codes]
        names += [version.value.split()[0] for version in source.found.versions]
        for name in names:
            slug = _NOT_IN_TAGS.sub("-", name.lower()).strip("-")[:40]
            if slug and not slug[0].isdigit():
                tags.setdefault(slug, None)
    return list(tags)[:MAX_TAGS]


def _evidence(source: Source) -> Iterator[dict[str, Any]]:
    """Verbatim pieces of the source: its headline, then each line in which a fact was found."""
    found = source.found
    pieces = [(found.title.start, found.title.end)] if found.title else []
    pieces += [_piece(source.text, finding) for finding in found.facts]
    for start, end in list(dict.fromkeys(pieces))[:MAX_QUOTES]:
        quote = source.text[start:end].strip()[:MAX_QUOTE_CHARS]
        yield {
            "source": source.kind,
            "file_id": source.file.id if source.file else None,
            "quote": quote,
            "confidence": source.confidence,
        }


def _piece(text: str, finding: Finding) -> tuple[int, int]:
    line = line_around(text, finding)
    if len(line.text) > MAX_QUOTE_CHARS:
        # A line too long to quote: the finding with what stands around it.
        start = max(line.start, finding.start - MAX_QUOTE_CHARS // 2)
        return start, min(line.start + len(line.text), start + MAX_QUOTE_CHARS)
    return line.start, line.start + len(line.text)
