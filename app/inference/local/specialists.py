"""How the local model does the work of the specialised agents: which tools, in which rounds, and what follows.

Each takes its task from the prompt's document and its facts from tools; where nothing clear was found it says so.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.inference.local import answering, entailing, judging, summarizing
from app.inference.local.conversation import Conversation
from app.inference.operations import Operation

TEXT_CHARS: Final = 20_000

Arguments = dict[str, Any]
Asked = tuple[str, Arguments]

TYPE_OF: Final[dict[str, str]] = {
    "bug": "BUG",
    "performance": "BUG",
    "integration": "BUG",
    "incident": "INCIDENT",
    "security": "INCIDENT",
    "feature_request": "FEATURE",
}
SUPPORT: Final = "SUPPORT"


@dataclass(frozen=True, slots=True)
class Specialist:
    rounds: Callable[[Conversation], Sequence[Sequence[Asked]]]
    """Each round may use what the ones before it brought."""
    facts: Callable[[Conversation], dict[str, Any]]


def _text(conversation: Conversation) -> str:
    report = conversation.report
    return "\n".join([report.user_input, *report.said_before])[:TEXT_CHARS]


def _about(conversation: Conversation) -> Arguments:
    number = conversation.report.ticket_id
    return {} if number is None else {"ticket_id": number}


def _answer(conversation: Conversation, tool: str) -> dict[str, Any]:
    found = conversation.answer(tool)
    return found if isinstance(found, dict) else {}


def _context_rounds(conversation: Conversation) -> list[list[Asked]]:
    about = _about(conversation)
    return [
        [
            ("get_historical_context", about),
            ("check_vip_status", about),
            ("extract_entities", {"text": _text(conversation)}),
        ]
    ]


def _context(conversation: Conversation) -> dict[str, Any]:
    history, vip = _answer(conversation, "get_historical_context"), _answer(conversation, "check_vip_status")
    entities = _answer(conversation, "extract_entities")
    same = [int(one["id"]) for one in history.get("same_problem") or []]
    standing = "unknown to the desk" if not vip.get("known") else "a VIP" if vip.get("vip") else "known, no VIP"
    told = f"The customer is {standing} and has {history.get('tickets_total', 0)} earlier tickets"
    told += f", {history.get('tickets_open', 0)} of them open."
    if same:
        told += f" The same problem was reported before: {', '.join(f'#{number}' for number in same)}."
    return {
        "summary": told,
        "customer_known": bool(vip.get("known")),
        "vip": bool(vip.get("vip")),
        "tier": vip.get("tier"),
        "tickets_total": history.get("tickets_total", 0),
        "tickets_open": history.get("tickets_open", 0),
        "same_problem": same,
        "language": entities.get("language"),
        "sentiment": entities.get("sentiment"),
    }


def _triage_rounds(conversation: Conversation) -> list[list[Asked]]:
    text = _text(conversation)
    return [
        [("categorize_issue", {"text": text}), ("check_service_status", {"text": text})],
        [("calculate_priority", {"text": text, **_category(conversation), **_about(conversation)})],
    ]


def _category(conversation: Conversation) -> Arguments:
    category = _answer(conversation, "categorize_issue").get("category")
    return {} if category is None else {"category": category}


def _triage(conversation: Conversation) -> dict[str, Any]:
    """The type's confidence is the sum of what its categories were given: they exclude each other."""
    found = _answer(conversation, "categorize_issue")
    shares: dict[str, float] = {}
    for one in [found, *(found.get("alternatives") or [])]:
        kind = TYPE_OF.get(str(one.get("category")), SUPPORT)
        shares[kind] = shares.get(kind, 0.0) + float(one.get("confidence") or 0.0)
    kind = TYPE_OF.get(str(found.get("category")), SUPPORT)
    affected = _answer(conversation, "check_service_status").get("affected") or []
    reasoning = str(found.get("reasoning") or "Nothing was told about its kind.")
    if affected:
        reasoning += f" In trouble just now: {', '.join(one['name'] for one in affected)}."
    return {
        "type": kind,
        "priority": _priority(conversation),
        "confidence": round(min(1.0, shares.get(kind, 0.0)), 4),
        "reasoning": reasoning,
    }


def _priority(conversation: Conversation) -> str:
    scored, found = _answer(conversation, "calculate_priority"), _answer(conversation, "categorize_issue")
    return str(scored.get("priority") or found.get("priority") or "medium")


def _route_rounds(conversation: Conversation) -> list[list[Asked]]:
    text, about = _text(conversation), _about(conversation)
    return [
        [
            ("categorize_issue", {"text": text}),
            ("extract_entities", {"text": text}),
            ("check_vip_status", about),
            ("check_service_status", {"text": text}),
            ("get_historical_context", about),
        ],
        [("calculate_priority", {"text": text, **_category(conversation), **about})],
        [
            (
                "route_to_team",
                {
                    "category": _answer(conversation, "categorize_issue").get("category") or "general",
                    "priority": _priority(conversation),
                    "text": text,
                },
            )
        ],
    ]


_OF_TEXT_ALONE = re.compile(r" Priority (?:low|medium|high|critical) with \d+ of 100 points: .*$", re.DOTALL)


def _route(conversation: Conversation) -> dict[str, Any]:
    found, scored = _answer(conversation, "categorize_issue"), _answer(conversation, "calculate_priority")
    routed = _answer(conversation, "route_to_team")
    terms = scored.get("terms") or []
    reasons = [str(found.get("reasoning") or "No category could be found.")]
    if terms:
        # The category's own reasoning ends with the priority that the text alone gives.
        reasons = [_OF_TEXT_ALONE.sub("", reasons[0])]
        counted = ", ".join(f"{term['name']} {term['points']:+.0f} (“{term['evidence']}”)" for term in terms)
        reasons.append(f"Priority {scored.get('priority')} with {scored.get('score'):.0f} of 100 points: {counted}.")
    if routed.get("reason"):
        reasons.append(str(routed["reason"]))
    entities = {
        name: value for name, value in _answer(conversation, "extract_entities").items() if value not in (None, [])
    }
    return {
        "category": found.get("category") or "general",
        "priority": _priority(conversation),
        "team": routed.get("team") or found.get("team") or "support",
        "confidence": float(found.get("confidence") or 0.0),
        "alternatives": found.get("alternatives") or [],
        "entities": entities,
        "priority_terms": terms,
        "weights_version": scored.get("weights_version"),
        "reasoning": " ".join(reasons),
    }


def _respond_rounds(conversation: Conversation) -> list[list[Asked]]:
    return [[("recommend_solution", {"text": _text(conversation)})]]


def _none(_conversation: Conversation) -> list[list[Asked]]:
    return []


SPECIALISTS: Final[dict[str, Specialist]] = {
    Operation.GATHER_CONTEXT: Specialist(_context_rounds, _context),
    Operation.TRIAGE: Specialist(_triage_rounds, _triage),
    Operation.ROUTE: Specialist(_route_rounds, _route),
    Operation.RESPOND: Specialist(
        _respond_rounds, lambda told: judging.reply(_text(told), _answer(told, "recommend_solution"))
    ),
    Operation.CHECK_DRAFT: Specialist(_none, lambda told: judging.checked(_text(told), told.report.material)),
    Operation.ESCALATE: Specialist(_none, lambda told: judging.escalation(told.report.material)),
    Operation.ANSWER: Specialist(_none, lambda told: answering.answer(told.report.user_input, told.report.material)),
    Operation.JUDGE_CLAIMS: Specialist(_none, lambda told: entailing.judged(told.report.material)),
    Operation.SUMMARIZE: Specialist(_none, lambda told: summarizing.summarized(told.report.material)),
    Operation.LEARN: Specialist(_none, lambda told: judging.lesson(_text(told), told.report.material)),
}
